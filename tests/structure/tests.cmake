foreach(check layers headers words readmes scripts formatted packages selftest)
  add_test(NAME structure/${check}
           COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/structure/structure_test.py ${check} ${CMAKE_SOURCE_DIR})
  set_tests_properties(structure/${check} PROPERTIES TIMEOUT 60)
endforeach()
