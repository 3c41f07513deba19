# house_process_test(kill_test.py TIMEOUT 900): real programs, real time; alone on the machine.
function(house_process_test file)
  cmake_parse_arguments(A "" "TIMEOUT" "" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  add_test(NAME process/${name} COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/process/${file})
  set_tests_properties(process/${name} PROPERTIES RUN_SERIAL TRUE TIMEOUT ${A_TIMEOUT}
                       ENVIRONMENT "FLEET_BIN=${CMAKE_BINARY_DIR}/bin")
endfunction()

if(TARGET fleet-agent)
  house_process_test(kill_test.py TIMEOUT 900)
endif()
