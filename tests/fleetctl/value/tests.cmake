house_test(fleetctl/value/value_test.cc LIBS fleetctl_value)
