house_test(agent/discovery/local_file_match_test.cc LIBS agent_discovery)
house_test(agent/discovery/discovery_relabel_test.cc LIBS agent_discovery)
house_test(agent/discovery/docker_targets_test.cc LIBS agent_discovery)
# Starts a Docker Engine of its own (as root).
house_test(agent/discovery/discovery_docker_test.cc LIBS agent_discovery)
set_tests_properties(agent/discovery/discovery_docker_test PROPERTIES RUN_SERIAL ON RESOURCE_LOCK docker TIMEOUT 180)
house_test(agent/discovery/docker_faults_test.cc LIBS agent_discovery)
