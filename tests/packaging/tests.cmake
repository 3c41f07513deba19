add_test(NAME packaging/unit COMMAND ${CMAKE_SOURCE_DIR}/tests/packaging/unit_test.sh
                                     ${CMAKE_SOURCE_DIR}/packaging/fleet-agent.service)
