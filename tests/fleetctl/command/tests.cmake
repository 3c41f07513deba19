house_test(fleetctl/command/deploy_test.cc LIBS fleetctl_command)
house_test(fleetctl/command/report_test.cc LIBS fleetctl_command)
# Each case of such a script is a test of its own.
foreach(command render inventory vault lint)
  set(script ${CMAKE_SOURCE_DIR}/tests/fleetctl/command/${command}_test.py)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
  execute_process(COMMAND /usr/bin/python3 -B ${script} --list OUTPUT_VARIABLE cases OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  foreach(case ${cases})
    add_test(NAME fleetctl/${command}/${case} COMMAND /usr/bin/python3 -B ${script} ${case})
    set_tests_properties(fleetctl/${command}/${case} PROPERTIES TIMEOUT 180 ENVIRONMENT "FLEET_BIN=${CMAKE_BINARY_DIR}/bin")
  endforeach()
endforeach()
house_test(fleetctl/command/host_run_test.cc LIBS fleetctl_command)
