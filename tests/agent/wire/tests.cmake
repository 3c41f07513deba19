house_test(agent/wire/exposition_test.cc LIBS agent_wire)
house_test(agent/wire/loki_push_test.cc LIBS agent_wire)
house_test(agent/wire/docker_stream_test.cc LIBS agent_wire)
house_test(agent/wire/docker_api_test.cc LIBS agent_wire)
