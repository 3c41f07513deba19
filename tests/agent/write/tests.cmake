house_test(agent/write/loki_write_test.cc LIBS agent_write)
house_test(agent/write/push_test.cc LIBS agent_write)
house_test(agent/write/prometheus_remote_write_test.cc LIBS agent_write)
house_test(agent/write/sample_queue_test.cc LIBS agent_write)
