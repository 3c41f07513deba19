house_test(agent/source/journal_labels_test.cc LIBS agent_source)
house_test(agent/source/loki_source_journal_test.cc LIBS agent_source)
house_test(agent/source/loki_source_syslog_test.cc LIBS agent_source)
house_test(agent/source/loki_source_api_test.cc LIBS agent_source)
