add_executable(render_case fleetctl/template/render_case.cc)
target_link_libraries(render_case PRIVATE house_flags fleetctl_template fleetctl_inventory)
set_target_properties(render_case PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
# The real Ansible and Jinja2 as the oracle; skipped where they are not installed (packaging/packages.txt names them).
add_test(NAME fleetctl/template/oracle
         COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/fleetctl/template/oracle_test.py $<TARGET_FILE:render_case>)
set_tests_properties(fleetctl/template/oracle PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77)
house_test(fleetctl/template/engine_test.cc LIBS fleetctl_template)
# Jinja2's own test suite as the oracle; skipped where its source cannot be fetched.
add_test(NAME fleetctl/template/jinja2_suite
         COMMAND /usr/bin/python3 -B ${CMAKE_SOURCE_DIR}/tests/fleetctl/template/jinja2_suite_test.py $<TARGET_FILE:render_case>
                 ${CMAKE_BINARY_DIR}/jinja2_suite)
set_tests_properties(fleetctl/template/jinja2_suite PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
