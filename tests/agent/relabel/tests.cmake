house_test(agent/relabel/loki_relabel_test.cc LIBS agent_relabel)
house_test(agent/relabel/prometheus_relabel_test.cc LIBS agent_relabel)
house_test(agent/relabel/prometheus_enrich_test.cc LIBS agent_relabel)
