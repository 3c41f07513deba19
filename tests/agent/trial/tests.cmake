house_test(agent/trial/test_file_test.cc LIBS agent_registration agent_trial)
house_test(agent/trial/trace_test.cc LIBS agent_process agent_relabel agent_trial)
