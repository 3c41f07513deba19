house_test(agent/discovery/discovery_relabel_test.cc LIBS agent_discovery)
house_test(agent/discovery/docker_targets_test.cc LIBS agent_discovery)
