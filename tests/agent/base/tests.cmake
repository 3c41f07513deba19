house_test(agent/base/duration_test.cc LIBS agent_base)
