// A database of MaxMind's format (MMDB: GeoLite2, GeoIP2 or one's own) that
// says what is known of an IP address.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/model/json_value.h"

namespace agent::process {

// One thread at a time.
class GeoDatabase {
 public:
  // Reads a copy of the file, so that whoever writes over it cannot harm a
  // look-up.
  static Result<GeoDatabase> open(const std::string& path);
  GeoDatabase(GeoDatabase&&) noexcept;
  GeoDatabase& operator=(GeoDatabase&&) noexcept;
  ~GeoDatabase();

  // Whether `path` is another file now than the one that was opened, or was
  // written to since. False when it is not there.
  bool has_changed() const;

  // What is known of `address` (IPv4 or IPv6); null when nothing is. kInvalid
  // when it is no address; another error when the database is damaged.
  Result<model::Json> find(std::string_view address) const;

 private:
  struct Open;
  explicit GeoDatabase(std::unique_ptr<Open> open);
  std::unique_ptr<Open> open_;
};

}  // namespace agent::process
