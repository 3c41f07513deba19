house_test(agent/install/bundle_test.cc LIBS agent_install)
house_test(agent/install/generations_test.cc LIBS agent_install third_party::json)
house_test(agent/install/transaction_test.cc LIBS agent_install)
