house_test(agent/runtime/runtime_test.cc LIBS agent_runtime)
house_test(agent/runtime/hang_test.cc LIBS agent_runtime)
house_test(agent/runtime/example_fleet_test.cc LIBS agent_registration agent_runtime agent_lint)
set_tests_properties(agent/runtime/example_fleet_test PROPERTIES RUN_SERIAL TRUE)  # it listens on the fleet's ports
house_test(agent/runtime/modules_test.cc LIBS agent_runtime)
house_test(agent/runtime/reload_test.cc LIBS agent_runtime)
house_test(agent/runtime/own_log_test.cc LIBS agent_runtime)
house_test(agent/runtime/remotecfg_test.cc LIBS agent_runtime)
house_test(agent/runtime/redact_test.cc LIBS agent_runtime)
