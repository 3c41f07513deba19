house_test(agent/process/held_item_test.cc LIBS agent_process)
