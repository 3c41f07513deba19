house_test(agent/base/duration_test.cc LIBS agent_base)
house_test(agent/base/keyed_hash_test.cc LIBS agent_base)
house_test(agent/base/strings_test.cc LIBS agent_base)
house_test(agent/base/unicode_test.cc LIBS agent_base)
