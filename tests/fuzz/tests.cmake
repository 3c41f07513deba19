# house_fuzz(parser LIBS agent_lang): tests/fuzz/parser_fuzz.cc with its corpus tests/fuzz/corpus/parser/.
#  - always: the test fuzz/parser, a plain program that runs every corpus file once;
#  - with clang (preset clang): also build/clang/fuzz/parser, a libFuzzer program. To search with it:
#      build/clang/fuzz/parser -max_total_time=60 build/found/ tests/fuzz/corpus/parser/
#    and copy what it finds into the corpus.
add_library(fuzz_replay STATIC ${CMAKE_CURRENT_LIST_DIR}/replay.cc)
target_link_libraries(fuzz_replay PRIVATE house_flags)

set(FLEET_LIBFUZZER OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT FLEET_SANITIZE)
  set(FLEET_LIBFUZZER ON)
  # libFuzzer is led by the coverage of the libraries under test, so these are instrumented as well.
  target_compile_options(house_flags INTERFACE -fsanitize=fuzzer-no-link,address)
  target_link_options(house_flags INTERFACE -fsanitize=address)
endif()

function(house_fuzz name)
  cmake_parse_arguments(A "" "" "LIBS" ${ARGN})
  set(source ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cc)
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_executable(fuzz_${name}_replay ${source})
  target_link_libraries(fuzz_${name}_replay PRIVATE house_flags fuzz_replay ${A_LIBS})
  set_target_properties(fuzz_${name}_replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME fuzz/${name} COMMAND fuzz_${name}_replay ${corpus})
  set_tests_properties(fuzz/${name} PROPERTIES TIMEOUT 120)
  if(FLEET_LIBFUZZER)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE house_flags ${A_LIBS})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name}
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
endfunction()

# One line per target, in the alphabet's order.
house_fuzz(apply_bundle LIBS agent_install)
house_fuzz(decompressor LIBS agent_io)
house_fuzz(batch_record LIBS agent_wire)
house_fuzz(docker_api LIBS agent_wire)
house_fuzz(docker_stream LIBS agent_wire)
house_fuzz(host_facts LIBS fleetctl_plan)
house_fuzz(host_pattern LIBS fleetctl_inventory)
house_fuzz(ini_inventory LIBS fleetctl_inventory)
house_fuzz(glob LIBS agent_io)
house_fuzz(jinja LIBS fleetctl_template)
house_fuzz(legacy_positions LIBS agent_io)
house_fuzz(line_splitter LIBS agent_io)
house_fuzz(disk_queue LIBS agent_io)
house_fuzz(loki_push LIBS agent_wire)
house_fuzz(loki_push_json LIBS agent_wire)
house_fuzz(parser LIBS agent_lang)
house_fuzz(positions LIBS agent_io)
house_fuzz(relabel LIBS agent_model)
house_fuzz(syslog LIBS agent_wire)
house_fuzz(value_text LIBS fleetctl_value)
house_fuzz(vault LIBS fleetctl_vault)
house_fuzz(yaml_variables LIBS fleetctl_inventory)
house_fuzz(evaluator LIBS agent_lang)
house_fuzz(exposition LIBS agent_wire)
