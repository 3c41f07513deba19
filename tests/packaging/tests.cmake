add_test(NAME packaging/unit COMMAND ${CMAKE_SOURCE_DIR}/tests/packaging/unit_test.sh
                                     ${CMAKE_SOURCE_DIR}/packaging/fleet-agent.service)
# What travels to every host stays small: bytes without symbols.
add_test(NAME packaging/size COMMAND ${CMAKE_SOURCE_DIR}/tests/packaging/size_test.sh $<TARGET_FILE:fleet-agent> 12000000)
set(script ${CMAKE_CURRENT_LIST_DIR}/grafana_test.py)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
execute_process(COMMAND /usr/bin/python3 ${script} --list OUTPUT_VARIABLE cases OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
foreach(case ${cases})
  add_test(NAME packaging/${case} COMMAND /usr/bin/python3 ${script} ${case})
  set_tests_properties(packaging/${case} PROPERTIES TIMEOUT 120)
endforeach()
include(${CMAKE_CURRENT_LIST_DIR}/../support/python_cases.cmake)
if(TARGET fleet-agent AND TARGET fleetctl AND NOT FLEET_SANITIZE)
  house_python_cases(packaging package_test.py TIMEOUT 300)
endif()
