house_test(agent/convert/convert_test.cc LIBS agent_registration agent_lint agent_convert)
