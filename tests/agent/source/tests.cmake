house_test(agent/source/journal_labels_test.cc LIBS agent_source)
house_test(agent/source/loki_source_journal_test.cc LIBS agent_source)
house_test(agent/source/loki_source_syslog_test.cc LIBS agent_source)
house_test(agent/source/loki_source_api_test.cc LIBS agent_source)
house_test(agent/source/docker_cursor_test.cc LIBS agent_source)
# Starts a Docker Engine of its own (as root).
house_test(agent/source/loki_source_docker_test.cc LIBS agent_source)
set_tests_properties(agent/source/loki_source_docker_test PROPERTIES RUN_SERIAL ON RESOURCE_LOCK docker TIMEOUT 300)
house_test(agent/source/docker_labels_test.cc LIBS agent_source)
