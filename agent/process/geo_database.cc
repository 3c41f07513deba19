#include "agent/process/geo_database.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <utility>

#include "agent/base/file.h"

namespace agent::process {
namespace {

using model::Json;

constexpr off_t kLargestFile = off_t{1} << 30;
constexpr int kDeepestRecord = 32;
constexpr std::size_t kLargestRecord = 10'000;  // values

// What tells one state of a file from another.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

FileIdentity identity_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size,
          status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec};
}

// A file without a name that holds what `from` holds: on disk where that is
// possible, otherwise in memory.
Result<FileDescriptor> private_copy(int from, off_t size) {
  std::error_code none;
  const std::string folder = std::filesystem::temp_directory_path(none).string();
  FileDescriptor to(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!to) to.reset(::memfd_create("geoip", MFD_CLOEXEC));
  if (!to) return fail_errno("making a copy", errno);
  for (off_t done = 0; done < size;) {
    const ssize_t n = ::sendfile(to.get(), from, nullptr, static_cast<std::size_t>(size - done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("copying it", errno);
    if (n == 0) return fail(ErrorCode::kUnavailable, "it became shorter while it was read");
    done += n;
  }
  return to;
}

// The value that `at` begins with; moves `at` behind it. `left` values may be
// made.
Result<Json> to_json(const MMDB_entry_data_list_s*& at, int depth, std::size_t& left) {
  if (at == nullptr || depth > kDeepestRecord || left == 0)
    return fail(ErrorCode::kInvalid, "the database is damaged, or has too large a record");
  --left;
  const MMDB_entry_data_s& data = at->entry_data;
  at = at->next;
  switch (data.type) {
    case MMDB_DATA_TYPE_UTF8_STRING:
      return Json(std::string(data.utf8_string, data.data_size));
    case MMDB_DATA_TYPE_DOUBLE:
      return std::isfinite(data.double_value) ? Json(data.double_value) : Json();
    case MMDB_DATA_TYPE_FLOAT:
      return std::isfinite(data.float_value) ? Json(double{data.float_value}) : Json();
    case MMDB_DATA_TYPE_UINT16:
      return Json(std::int64_t{data.uint16});
    case MMDB_DATA_TYPE_UINT32:
      return Json(std::int64_t{data.uint32});
    case MMDB_DATA_TYPE_INT32:
      return Json(std::int64_t{data.int32});
    case MMDB_DATA_TYPE_UINT64:
      if (data.uint64 <= INT64_MAX) return Json(static_cast<std::int64_t>(data.uint64));
      return Json(static_cast<double>(data.uint64));
    case MMDB_DATA_TYPE_BOOLEAN:
      return Json(bool{data.boolean});
    case MMDB_DATA_TYPE_ARRAY: {
      Json::Array array;
      for (std::uint32_t i = 0; i < data.data_size; ++i) {
        auto item = to_json(at, depth + 1, left);
        if (!item) return item;
        array.push_back(std::move(*item));
      }
      return Json(std::move(array));
    }
    case MMDB_DATA_TYPE_MAP: {
      Json::Object object;
      for (std::uint32_t i = 0; i < data.data_size; ++i) {
        auto name = to_json(at, depth + 1, left);
        if (!name) return name;
        auto value = to_json(at, depth + 1, left);
        if (!value) return value;
        if (name->kind() == Json::Kind::kString)
          object.emplace_back(name->string(), std::move(*value));
      }
      return Json(std::move(object));
    }
    default:  // bytes and 128-bit numbers have no form in JSON
      return Json();
  }
}

}  // namespace

struct GeoDatabase::Open {
  std::string path;
  FileIdentity identity;
  MMDB_s mmdb{};
  bool is_open = false;
  ~Open() {
    if (is_open) MMDB_close(&mmdb);
  }
};

GeoDatabase::GeoDatabase(std::unique_ptr<Open> open) : open_(std::move(open)) {}
GeoDatabase::GeoDatabase(GeoDatabase&&) noexcept = default;
GeoDatabase& GeoDatabase::operator=(GeoDatabase&&) noexcept = default;
GeoDatabase::~GeoDatabase() = default;

Result<GeoDatabase> GeoDatabase::open(const std::string& path) {
  const auto wrong = [&](Error error) { return fail(std::move(error).within(path)); };
  auto out = std::make_unique<Open>();
  out->path = path;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return fail_errno(path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno(path, errno);
  if (!S_ISREG(status.st_mode) || status.st_size > kLargestFile)
    return wrong({ErrorCode::kInvalid, "not a file of at most 1 GiB"});
  out->identity = identity_of(status);
  const auto copy = private_copy(file.get(), status.st_size);
  if (!copy) return wrong(copy.error());
  // The library takes a name; it maps the file and closes it.
  const std::string name = "/proc/self/fd/" + std::to_string(copy->get());
  if (const int code = MMDB_open(name.c_str(), MMDB_MODE_MMAP, &out->mmdb); code != MMDB_SUCCESS)
    return wrong(
        {ErrorCode::kInvalid, std::string("not a MaxMind database: ") + MMDB_strerror(code)});
  out->is_open = true;
  return GeoDatabase(std::move(out));
}

bool GeoDatabase::has_changed() const {
  struct stat status {};
  return ::stat(open_->path.c_str(), &status) == 0 && !(identity_of(status) == open_->identity);
}

Result<Json> GeoDatabase::find(std::string_view address) const {
  sockaddr_storage storage{};
  auto* const any = reinterpret_cast<sockaddr*>(&storage);
  const std::string text(address.substr(0, INET6_ADDRSTRLEN));
  if (::inet_pton(AF_INET, text.c_str(), &reinterpret_cast<sockaddr_in*>(any)->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else if (::inet_pton(AF_INET6, text.c_str(),
                         &reinterpret_cast<sockaddr_in6*>(any)->sin6_addr) == 1) {
    storage.ss_family = AF_INET6;
  } else {
    return fail(ErrorCode::kInvalid, "not an IP address");
  }
  int code = MMDB_SUCCESS;
  MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&open_->mmdb, any, &code);
  if (code == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR) return Json();
  if (code != MMDB_SUCCESS) return fail(ErrorCode::kIo, MMDB_strerror(code));
  if (!found.found_entry) return Json();
  MMDB_entry_data_list_s* list = nullptr;
  code = MMDB_get_entry_data_list(&found.entry, &list);
  Result<Json> out = fail(ErrorCode::kIo, MMDB_strerror(code));
  if (code == MMDB_SUCCESS) {
    const MMDB_entry_data_list_s* at = list;
    std::size_t left = kLargestRecord;
    out = to_json(at, 0, left);
  }
  MMDB_free_entry_data_list(list);
  return out;
}

}  // namespace agent::process
