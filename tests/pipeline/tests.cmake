# Every tests/pipeline/**/*.test is a test of its own: ctest -R pipeline/process/docker
file(GLOB_RECURSE cases RELATIVE ${CMAKE_CURRENT_LIST_DIR} CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.test)
foreach(case ${cases})
  string(REGEX REPLACE "\\.test$" "" name ${case})
  add_test(NAME pipeline/${name} COMMAND fleet-agent test ${CMAKE_CURRENT_LIST_DIR}/${case})
  set_tests_properties(pipeline/${name} PROPERTIES TIMEOUT 60)
endforeach()
