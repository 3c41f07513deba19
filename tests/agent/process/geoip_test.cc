#include <catch2/catch.hpp>

#include "agent/base/file.h"
#include "agent/base/process.h"
#include "agent/process/geo_database.h"
#include "agent/process/stage.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/mmdb_maker.h"
#include "tests/support/temp_dir.h"

namespace agent::process {

StageDeclaration stage_geoip();

namespace {

using model::Json;

constexpr char kLondon[] = R"({
  "city": {"names": {"de": "London", "en": "London"}},
  "continent": {"code": "EU", "names": {"en": "Europe"}},
  "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
  "location": {"latitude": 51.5142, "longitude": -0.0931, "time_zone": "Europe/London"},
  "postal": {"code": "EC1A"},
  "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}},
                   {"iso_code": "LND", "names": {"en": "Greater London"}}],
  "company": {"name": "", "vnets": ["a", "b"], "floor": -3, "open": true, "big": 9007199254740993}
})";

Json json(const std::string& text) { return Json::parse(text).value(); }

struct Bench {
  TempDir dir;
  FakeClock clock;
  component::Metrics metrics;
  model::Interner labels;
  StageHost host{"loki.process.test", clock, Log::none(), metrics, labels};
  const std::filesystem::path db = dir / "test.mmdb";

  std::unique_ptr<Stage> stage(const std::string& argument, const lang::Value& value) {
    std::vector<StageSpec> specs;
    lang::Diagnostics diagnostics;
    stage_geoip().decode(block("stage.geoip", {attribute("db", lang::Value(db.string())),
                                               attribute("source", lang::Value(std::string("ip"))),
                                               attribute(argument, value)}),
                         specs, diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    return specs.at(0).make(host);
  }
  // name=value of what is extracted for an address, sorted.
  std::vector<std::string> extracted(Stage& stage, const std::string& address) {
    model::EntryBatch entries;
    entries.entries.push_back({{}, 0, entries.arena.store("line"), {}});
    Batch batch(std::move(entries));
    batch.items[0].set("ip", batch.arena.store(address));
    stage.process(batch);
    std::vector<std::string> out;
    for (const auto& [name, value] : batch.items[0].all_extracted())
      if (name != "ip")
        out.push_back(std::string(name) + "=" + std::string(*to_text(value, batch.arena)));
    std::sort(out.begin(), out.end());
    return out;
  }
};

}  // namespace

TEST_CASE("stage.geoip: the values of a city, a country and an autonomous system") {
  Bench bench;
  write_mmdb(bench.db, "GeoLite2-City",
             {{"81.2.69.0/24", json(kLondon)},
              {"2001:218::/32", json(R"({"country": {"iso_code": "JP"}})")},
              {"1.128.0.0/11", json(R"({"autonomous_system_number": 1221,
                                        "autonomous_system_organization": "Telstra Pty Ltd"})")}});
  const auto city = bench.stage("db_type", lang::Value(std::string("city")));
  CHECK(bench.extracted(*city, "81.2.69.142") ==
        std::vector<std::string>{
            "geoip_city_name=London", "geoip_continent_code=EU", "geoip_continent_name=Europe",
            "geoip_country_code=GB", "geoip_country_name=United Kingdom",
            "geoip_location_latitude=51.5142", "geoip_location_longitude=-0.0931",
            "geoip_postal_code=EC1A", "geoip_subdivision_code=LND",
            "geoip_subdivision_name=Greater London", "geoip_timezone=Europe/London"});
  CHECK(bench.extracted(*city, "2001:218:1::7") ==
        std::vector<std::string>{"geoip_country_code=JP"});
  CHECK(bench.extracted(*city, "10.0.0.1").empty());
  for (const char* wrong : {"", "81.2.69", "81.2.69.142.", "host.example", "81.2.69.142 "})
    CHECK(bench.extracted(*city, wrong).empty());
  CHECK(bench.extracted(*city, std::string(1000, '1')).empty());

  const auto country = bench.stage("db_type", lang::Value(std::string("country")));
  CHECK(bench.extracted(*country, "81.2.69.142") ==
        std::vector<std::string>{"geoip_continent_code=EU", "geoip_continent_name=Europe",
                                 "geoip_country_code=GB", "geoip_country_name=United Kingdom"});
  const auto asn = bench.stage("db_type", lang::Value(std::string("asn")));
  CHECK(bench.extracted(*asn, "1.128.0.7") ==
        std::vector<std::string>{"geoip_autonomous_system_number=1221",
                                 "geoip_autonomous_system_organization=Telstra Pty Ltd"});
}

TEST_CASE("stage.geoip: expressions find what is in the record beside MaxMind's own") {
  Bench bench;
  write_mmdb(bench.db, "Enriched", {{"81.2.69.0/24", json(kLondon)}});
  const lang::Value lookups(
      lang::Value::Object{{"name", lang::Value(std::string("company.name"))},
                          {"vnets", lang::Value(std::string("company.vnets"))},
                          {"floor", lang::Value(std::string("company.floor"))},
                          {"open", lang::Value(std::string("company.open"))},
                          {"big", lang::Value(std::string("company.big"))},
                          {"none", lang::Value(std::string("company.none"))},
                          {"postal", lang::Value(std::string(""))}});
  const auto stage = bench.stage("custom_lookups", lookups);
  for (int again = 0; again < 2; ++again)
    CHECK(bench.extracted(*stage, "81.2.69.142") ==
          std::vector<std::string>{"big=9007199254740993", "floor=-3", "name=", "open=true",
                                   R"(postal={"code":"EC1A"})", R"(vnets=["a","b"])"});
}

TEST_CASE("stage.geoip: a changed file is read anew; one that is gone or no database is not used") {
  Bench bench;
  const auto stage = bench.stage("db_type", lang::Value(std::string("country")));
  const auto country = [](const char* code) {
    return json(std::string(R"({"country": {"iso_code": ")") + code + "\"}}");
  };
  CHECK(bench.extracted(*stage, "10.0.0.1").empty());  // there is none yet
  write_mmdb(bench.db, "Country", {{"10.0.0.0/8", country("DE")}});
  CHECK(bench.extracted(*stage, "10.0.0.1").empty());
  bench.clock.advance(std::chrono::seconds(10));
  CHECK(bench.extracted(*stage, "10.0.0.1") == std::vector<std::string>{"geoip_country_code=DE"});
  write_mmdb(bench.db, "Country", {{"10.0.0.0/8", country("FRA")}});
  bench.clock.advance(std::chrono::seconds(10));
  CHECK(bench.extracted(*stage, "10.0.0.1") == std::vector<std::string>{"geoip_country_code=FRA"});
  // Written over in place, and with nonsense: what was read stays.
  std::filesystem::resize_file(bench.db, 10);
  CHECK(bench.extracted(*stage, "10.0.0.2") == std::vector<std::string>{"geoip_country_code=FRA"});
  bench.clock.advance(std::chrono::seconds(10));
  CHECK(bench.extracted(*stage, "10.0.0.3") == std::vector<std::string>{"geoip_country_code=FRA"});
  std::filesystem::remove(bench.db);
  bench.clock.advance(std::chrono::seconds(10));
  CHECK(bench.extracted(*stage, "10.0.0.4") == std::vector<std::string>{"geoip_country_code=FRA"});
}

TEST_CASE("GeoDatabase: says what is wrong with a file") {
  TempDir dir;
  const auto message = [](const std::filesystem::path& path) {
    const auto opened = GeoDatabase::open(path.string());
    return opened ? std::string("opened") : opened.error().message;
  };
  CHECK(message(dir / "none").ends_with("none: No such file or directory"));
  CHECK(message(dir.path()).ends_with("not a file of at most 1 GiB"));
  REQUIRE(write_file_atomic(dir / "text", "text"));
  CHECK(message(dir / "text").find("not a MaxMind database") != std::string::npos);
  // Cut off and overwritten in many places: an error or some value, nothing worse.
  write_mmdb(dir / "good", "City", {{"81.2.69.0/24", json(kLondon)}});
  const std::string good = read_file(dir / "good").value();
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(~static_cast<unsigned char>(bad[i]));
    REQUIRE(write_file_atomic(dir / "bad", bad));
    if (const auto opened = GeoDatabase::open((dir / "bad").string()))
      CHECK_NOTHROW(opened->find("81.2.69.142"));
    REQUIRE(write_file_atomic(dir / "cut", good.substr(0, i)));
    if (const auto opened = GeoDatabase::open((dir / "cut").string()))
      CHECK_NOTHROW(opened->find("81.2.69.142"));
  }
}

TEST_CASE("write_mmdb: MaxMind's own tool reads it as it was meant") {
  TempDir dir;
  write_mmdb(dir / "db", "City", {{"81.2.69.0/24", json(kLondon)}});
  const SystemClock clock;
  const auto said = run_process({{"mmdblookup", "--file", (dir / "db").string(), "--ip",
                                  "81.2.69.142", "subdivisions", "1", "names", "en"},
                                 {},
                                 {},
                                 true},
                                "", clock, std::chrono::seconds(60));
  REQUIRE(said);
  INFO(said->output);
  CHECK(said->output.find("\"Greater London\" <utf8_string>") != std::string::npos);
}

}  // namespace agent::process
