# One library per folder. `house_library(model DEPS base)` compiles every .cc that lies in the folder itself.
# The layers that DEPS may name are checked by tests/structure. COLD: what runs seldom is made small rather than fast, which
# takes a third of it away.
set(HOUSE_SMALL "$<$<CONFIG:RelWithDebInfo>:-Os>")
function(house_library name)
  cmake_parse_arguments(A "COLD" "NAMESPACE" "DEPS;EXTRA" ${ARGN})
  if(NOT A_NAMESPACE)
    set(A_NAMESPACE agent)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  set(target ${A_NAMESPACE}_${name})
  if(sources OR A_EXTRA)
    add_library(${target} STATIC ${sources} ${A_EXTRA})
    target_link_libraries(${target} PRIVATE house_flags)
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC ${A_DEPS})
    if(A_COLD)
      target_compile_options(${target} PRIVATE ${HOUSE_SMALL})
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${A_DEPS})
  endif()
endfunction()

# agent_component(loki.source.gelf gelf.cc): adds a component's file to its folder's library and its name to the list
# from which the registration in main is generated. The file defines `component::Declaration <name with _>()` in the
# namespace `agent::<folder>`.
function(agent_component name)
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  string(REPLACE "." "_" function ${name})
  set_property(GLOBAL APPEND PROPERTY AGENT_COMPONENTS "${folder}::${function}")
endfunction()

# agent_stage(label_keep label_keep.cc): the same for a stage of loki.process (agent/process/stages).
function(agent_stage name)
  set_property(GLOBAL APPEND PROPERTY AGENT_STAGES "${name}")
endfunction()

# agent_test(model/receipt_test.cc DEPS agent_model): see tests/CMakeLists.txt.
