house_test(agent/io/http_server_test.cc LIBS agent_io)
house_test(agent/io/positions_test.cc LIBS agent_io)
house_test(agent/io/journal_test.cc LIBS agent_io)
