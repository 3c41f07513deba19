house_test(agent/exporter/process_test.cc LIBS agent_exporter)
house_test(agent/exporter/cadvisor_test.cc LIBS agent_exporter)
house_test(agent/exporter/small_exporters_test.cc LIBS agent_exporter)
house_test(agent/exporter/unix_test.cc LIBS agent_exporter)
