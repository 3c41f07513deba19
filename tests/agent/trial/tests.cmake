house_test(agent/trial/test_file_test.cc LIBS agent_registration agent_trial)
