include(${CMAKE_CURRENT_LIST_DIR}/python_cases.cmake)
house_python_cases(support judge_test.py TIMEOUT 60)
house_python_cases(support lab_test.py TIMEOUT 300)
