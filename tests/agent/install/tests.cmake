house_test(agent/install/bundle_test.cc LIBS agent_install)
house_test(agent/install/transaction_test.cc LIBS agent_install)
