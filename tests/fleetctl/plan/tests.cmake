house_test(fleetctl/plan/plan_test.cc LIBS fleetctl_plan)
house_test(fleetctl/plan/diff_test.cc LIBS fleetctl_plan)
house_test(fleetctl/plan/bootstrap_test.cc LIBS fleetctl_plan fleetctl_remote agent_install)
house_test(fleetctl/plan/host_facts_test.cc LIBS fleetctl_plan)
