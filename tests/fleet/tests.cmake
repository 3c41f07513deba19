# Each case of deploy_test.py is a test of its own.
if(NOT TARGET fleetctl)
  return()
endif()
set(script ${CMAKE_SOURCE_DIR}/tests/fleet/deploy_test.py)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
execute_process(COMMAND /usr/bin/python3 ${script} --list OUTPUT_VARIABLE cases OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
foreach(case ${cases})
  add_test(NAME fleet/${case} COMMAND /usr/bin/python3 ${script} ${case})
  set_tests_properties(fleet/${case} PROPERTIES RUN_SERIAL TRUE TIMEOUT 600 ENVIRONMENT "FLEET_BIN=${CMAKE_BINARY_DIR}/bin")
endforeach()
