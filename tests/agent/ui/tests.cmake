house_test(agent/ui/access_test.cc LIBS agent_ui)
house_test(agent/ui/own_server_test.cc LIBS agent_ui)
house_test(agent/ui/pages_test.cc LIBS agent_ui)
