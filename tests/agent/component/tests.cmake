house_test(agent/component/schema_test.cc LIBS agent_component)
house_test(agent/component/relabel_args_test.cc LIBS agent_component)
house_test(agent/component/contract_test.cc LIBS agent_registration)
