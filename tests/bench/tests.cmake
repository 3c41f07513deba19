# house_bench(journal LIBS agent_io): tests/bench/journal_bench.cc as build/<preset>/bench/journal (Google Benchmark).
# Numbers are for people; no test depends on a time.
# The target `benchmarks` builds them all; `make bench` runs them.
add_custom_target(benchmarks)
find_library(BENCHMARK_A NAMES libbenchmark.a benchmark)

function(house_bench name)
  if(NOT BENCHMARK_A)
    return()
  endif()
  cmake_parse_arguments(A "" "" "LIBS" ${ARGN})
  add_executable(bench_${name} ${CMAKE_SOURCE_DIR}/tests/bench/${name}_bench.cc)
  target_link_libraries(bench_${name} PRIVATE house_flags test_support ${A_LIBS} ${BENCHMARK_A} Threads::Threads)
  target_compile_definitions(bench_${name} PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  add_dependencies(benchmarks bench_${name})
endfunction()

house_bench(file LIBS agent_source)
house_bench(journal LIBS agent_source)
house_bench(loki_push LIBS agent_wire)
house_bench(lang LIBS agent_lang)
house_bench(render LIBS fleetctl_command agent_registration agent_runtime agent_lint)
house_bench(docker_stream LIBS agent_wire)
house_bench(process_memory LIBS agent_process)
house_bench(relabel LIBS agent_model)
house_bench(stages LIBS agent_process)
house_bench(cadvisor LIBS agent_exporter)
house_bench(exposition LIBS agent_scrape)
house_bench(remote_write LIBS agent_write)

# Whole pipelines through the real agent: build/<preset>/bench/pipelines build/<preset>/bin/fleet-agent
add_executable(bench_pipelines EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/pipelines_main.cc)
target_link_libraries(bench_pipelines PRIVATE house_flags test_support agent_io)
set_target_properties(bench_pipelines PROPERTIES OUTPUT_NAME pipelines RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/pipelines)
add_dependencies(benchmarks bench_pipelines fleet-agent)
