house_test(agent/exporter/small_exporters_test.cc LIBS agent_exporter)
