include(${CMAKE_CURRENT_LIST_DIR}/../support/python_cases.cmake)
if(TARGET fleetctl AND TARGET fleet-agent)
  house_python_cases(fleet deploy_test.py TIMEOUT 600)
endif()
