house_test(agent/process/geoip_test.cc LIBS agent_process)
house_test(agent/process/held_item_test.cc LIBS agent_process)
house_test(agent/process/loki_process_test.cc LIBS agent_process)
