house_test(agent/lint/lint_test.cc LIBS agent_registration agent_lint)
