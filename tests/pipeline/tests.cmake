# Every tests/pipeline/**/*.test is a test of its own: ctest -R pipeline/process/docker
add_executable(pipeline_runner ${CMAKE_CURRENT_LIST_DIR}/pipeline_main.cc)
target_link_libraries(pipeline_runner PRIVATE house_flags test_support agent_registration agent_runtime agent_wire
                      third_party::fmt)
set_target_properties(pipeline_runner PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
file(GLOB_RECURSE cases RELATIVE ${CMAKE_CURRENT_LIST_DIR} CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.test)
foreach(case ${cases})
  string(REGEX REPLACE "\\.test$" "" name ${case})
  add_test(NAME pipeline/${name} COMMAND pipeline_runner ${CMAKE_CURRENT_LIST_DIR}/${case})
  set_tests_properties(pipeline/${name} PROPERTIES TIMEOUT 60)
endforeach()
