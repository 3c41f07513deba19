house_test(agent/ui/pages_test.cc LIBS agent_ui)
