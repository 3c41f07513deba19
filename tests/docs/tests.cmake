# The reference pages' tables come from the schemas; every fenced example in the documentation is checked.
add_executable(reference ${CMAKE_CURRENT_LIST_DIR}/reference_main.cc)
target_link_libraries(reference PRIVATE house_flags agent_registration agent_runtime)
set_target_properties(reference PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME docs/reference COMMAND reference check ${CMAKE_SOURCE_DIR}/docs/reference)
file(GLOB_RECURSE pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/docs/*.md)
add_test(NAME docs/examples COMMAND reference examples ${pages})
add_test(NAME docs/catalogue COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/catalogue_test.py ${CMAKE_SOURCE_DIR})
add_test(NAME docs/site COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/site_test.py ${CMAKE_SOURCE_DIR})
