house_test(agent/runtime/runtime_test.cc LIBS agent_runtime)
