house_test(agent/scrape/target_test.cc LIBS agent_scrape)
house_test(agent/scrape/target_series_test.cc LIBS agent_scrape)
house_test(agent/scrape/prometheus_scrape_test.cc LIBS agent_registration)
