include(${CMAKE_CURRENT_LIST_DIR}/../support/python_cases.cmake)
if(TARGET fleet-agent)
  house_python_cases(browser pages_test.py TIMEOUT 300)
endif()
