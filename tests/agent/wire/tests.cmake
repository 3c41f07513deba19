house_test(agent/wire/exposition_test.cc LIBS agent_wire)
