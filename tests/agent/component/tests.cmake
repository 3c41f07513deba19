house_test(agent/component/schema_test.cc LIBS agent_component)
