house_test(agent/model/labels_test.cc LIBS agent_model)
house_test(agent/model/receipt_test.cc LIBS agent_model)
house_test(agent/model/relabel_test.cc LIBS agent_model)
house_test(agent/model/selector_test.cc LIBS agent_model)
