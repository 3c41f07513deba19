house_test(agent/lang/lexer_test.cc LIBS agent_lang)
house_test(agent/lang/parser_test.cc LIBS agent_lang)
house_test(agent/lang/printer_test.cc LIBS agent_lang)
