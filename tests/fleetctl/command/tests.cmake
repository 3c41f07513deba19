house_test(fleetctl/command/deploy_test.cc LIBS fleetctl_command)
house_test(fleetctl/command/report_test.cc LIBS fleetctl_command)
# Each case of render_test.py is a test of its own.
set(script ${CMAKE_SOURCE_DIR}/tests/fleetctl/command/render_test.py)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
execute_process(COMMAND /usr/bin/python3 ${script} --list OUTPUT_VARIABLE cases OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
foreach(case ${cases})
  add_test(NAME fleetctl/render/${case} COMMAND /usr/bin/python3 ${script} ${case})
  set_tests_properties(fleetctl/render/${case} PROPERTIES TIMEOUT 180 ENVIRONMENT "FLEET_BIN=${CMAKE_BINARY_DIR}/bin")
endforeach()
house_test(fleetctl/command/host_run_test.cc LIBS fleetctl_command)
