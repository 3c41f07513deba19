house_test(fleetctl/vault/vault_test.cc LIBS fleetctl_vault)
