house_test(fleetctl/remote/ssh_options_test.cc LIBS fleetctl_remote)
house_test(fleetctl/remote/local_test.cc LIBS fleetctl_remote)
house_test(fleetctl/remote/ssh_test.cc LIBS fleetctl_remote)
house_test(fleetctl/remote/openssh_test.cc LIBS fleetctl_remote)
