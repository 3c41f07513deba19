// stage.geoip: what a MaxMind database knows of an IP address becomes extracted
// values.
//
// A database that cannot be read leaves entries as they are, with a warning; it
// is tried again, and read anew when its file changes.
#include <unordered_map>

#include "agent/base/strings.h"
#include "agent/model/jmespath.h"
#include "agent/process/geo_database.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

using model::JmesPath;
using model::Json;

constexpr Duration kLookAtFileEvery = std::chrono::seconds(10);
constexpr std::size_t kMostRemembered = 4096;
constexpr std::size_t kLongestAddress = 64;  // bytes; longer ones are none
constexpr std::size_t kMaxText = 64 * 1024;  // of an object that a look-up gives

// An extracted value and the expression that finds it in a record.
struct Wanted {
  std::string name;
  JmesPath expression;
};

std::vector<std::pair<std::string, std::string>> fields_of(std::string_view db_type) {
  const std::vector<std::pair<std::string, std::string>> country = {
      {"geoip_country_name", "country.names.en"},
      {"geoip_country_code", "country.iso_code"},
      {"geoip_continent_name", "continent.names.en"},
      {"geoip_continent_code", "continent.code"}};
  if (db_type == "country") return country;
  if (db_type == "asn")
    return {{"geoip_autonomous_system_number", "autonomous_system_number"},
            {"geoip_autonomous_system_organization", "autonomous_system_organization"}};
  if (db_type != "city") return {};
  std::vector<std::pair<std::string, std::string>> city = {
      {"geoip_city_name", "city.names.en"},
      {"geoip_postal_code", "postal.code"},
      {"geoip_timezone", "location.time_zone"},
      {"geoip_location_latitude", "location.latitude"},
      {"geoip_location_longitude", "location.longitude"},
      // The last subdivision is the smallest.
      {"geoip_subdivision_name", "subdivisions[-1].names.en"},
      {"geoip_subdivision_code", "subdivisions[-1].iso_code"}};
  city.insert(city.end(), country.begin(), country.end());
  return city;
}

struct GeoipArgs {
  std::string db;
  std::string source;
  std::string db_type;
  component::StringMap custom_lookups;
  static component::Schema<GeoipArgs> schema() {
    return component::Schema<GeoipArgs>()
        .required("db", &GeoipArgs::db, "Path of the MaxMind database.")
        .required("source", &GeoipArgs::source, "Extracted value that is the IP address.")
        .optional("db_type", &GeoipArgs::db_type,
                  "city, asn or country: which values are extracted.")
        .optional("custom_lookups", &GeoipArgs::custom_lookups,
                  "Further values to extract, each with its JMESPath "
                  "expression on the record; an "
                  "empty one is the value's own name.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (db.empty()) diagnostics.error(body.span_of("db"), "db must not be empty");
    if (source.empty()) diagnostics.error(body.span_of("source"), "source must not be empty");
    if (db_type.empty() && custom_lookups.empty())
      diagnostics.error(body.span, "stage.geoip needs a db_type or custom_lookups");
    if (!db_type.empty() && fields_of(db_type).empty())
      diagnostics.error(
          body.span_of("db_type"),
          "db_type must be \"city\", \"asn\" or \"country\", got " + json_string(db_type));
    for (const auto& [name, expression] : custom_lookups)
      if (auto path = JmesPath::compile(expression.empty() ? name : expression); !path)
        diagnostics.error(body.span_of("custom_lookups"), path.error().message);
  }
};

class Geoip final : public Stage {
 public:
  using Arguments = GeoipArgs;
  Geoip(Arguments args, const StageHost& host)
      : args_(std::move(args)), clock_(host.clock), log_(host.log) {
    for (const auto& [name, expression] : fields_of(args_.db_type))
      wanted_.push_back({name, JmesPath::compile(expression).value()});
    fields_ = wanted_.size();
    for (const auto& [name, expression] : args_.custom_lookups)
      wanted_.push_back({name, JmesPath::compile(expression.empty() ? name : expression).value()});
    look_at_file();
  }

  void process(Batch& batch) override {
    if (clock_.mono() >= next_look_) look_at_file();
    if (!database_) return;
    for (Item& item : batch.items) {
      const auto value = item.find(args_.source);
      const auto address = value ? to_text(*value, batch.arena) : std::nullopt;
      if (!address) continue;
      for (const auto& [name, known] : known_of(std::string(*address)))
        item.set(*name, extracted(known, batch.arena));
    }
  }

 private:
  struct Known {
    const std::string* name;
    Json value;  // neither null nor an array or object
  };

  static Extracted extracted(const Json& value, model::Arena& arena) {
    switch (value.kind()) {
      case Json::Kind::kBool:
        return value.boolean();
      case Json::Kind::kInt:
        return value.integer();
      case Json::Kind::kDouble:
        return value.number();
      default:
        return arena.store(value.string());
    }
  }

  // Addresses repeat: a client asks more than once.
  const std::vector<Known>& known_of(const std::string& address) {
    if (address.size() > kLongestAddress) return nothing_;
    const auto it = remembered_.find(address);
    if (it != remembered_.end()) return it->second;
    if (remembered_.size() >= kMostRemembered) remembered_.clear();
    std::vector<Known>& known = remembered_[address];
    const auto record = database_->find(address);
    if (!record) {
      log_.limited(Level::kDebug, "stage.geoip: nothing is known of an address",
                   {{"address", address}, {"error", record.error().message}});
      return known;
    }
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      auto found = wanted_[i].expression.search(*record);
      if (!found || found->is_null()) continue;
      const bool is_text = found->kind() == Json::Kind::kString;
      if (found->kind() == Json::Kind::kArray || found->kind() == Json::Kind::kObject) {
        std::string text;
        if (!found->append_text(text, kMaxText)) continue;
        found = Json(std::move(text));
      }
      if (i < fields_ && is_text && found->string().empty()) continue;
      known.push_back({&wanted_[i].name, std::move(*found)});
    }
    return known;
  }

  void look_at_file() {
    next_look_ = clock_.mono() + kLookAtFileEvery;
    if (database_ && !database_->has_changed()) return;
    auto opened = GeoDatabase::open(args_.db);
    if (!opened) {
      log_.limited(Level::kWarn, "stage.geoip: the database cannot be read",
                   {{"error", opened.error().message}});
      return;  // an older one is better than none
    }
    database_ = std::move(*opened);
    remembered_.clear();
  }

  const Arguments args_;
  Clock& clock_;
  const Log log_;
  std::vector<Wanted> wanted_;
  std::size_t fields_ = 0;
  std::optional<GeoDatabase> database_;
  Mono next_look_{};
  const std::vector<Known> nothing_;
  std::unordered_map<std::string, std::vector<Known>> remembered_;  // by address
};

}  // namespace

StageDeclaration stage_geoip() {
  return declare_stage<Geoip>("geoip", "Extracts what a MaxMind database knows of an IP address.");
}

}  // namespace agent::process
