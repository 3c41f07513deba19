house_test(agent/discovery/discovery_relabel_test.cc LIBS agent_discovery)
