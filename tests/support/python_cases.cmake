# house_python_cases(process agent_test.py TIMEOUT 300): every case that tests/process/agent_test.py --list names becomes the
# test process/<case>. The programs are real and so is the time; each case is alone on the machine.
function(house_python_cases level file)
  cmake_parse_arguments(A "" "TIMEOUT" "" ${ARGN})
  set(script ${CMAKE_SOURCE_DIR}/tests/${level}/${file})
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR}/tests APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
  execute_process(COMMAND /usr/bin/python3 ${script} --list OUTPUT_VARIABLE cases OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  foreach(case ${cases})
    add_test(NAME ${level}/${case} COMMAND /usr/bin/python3 ${script} ${case})
    set_tests_properties(${level}/${case} PROPERTIES RUN_SERIAL TRUE TIMEOUT ${A_TIMEOUT}
                         ENVIRONMENT "FLEET_BIN=${CMAKE_BINARY_DIR}/bin")
  endforeach()
endfunction()
