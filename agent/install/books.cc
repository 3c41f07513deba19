// Below /var/lib/fleetctl, all root's, folders 0700, files 0600, JSON objects, replaced atomically:
//   applied.json     {origin..., "release": text, "files": {path: sha256}}
//   underway.json    {"run": text, "who": text, "generation": n}; exists while a change is under
//   way result.json      the report of the last apply (transaction.cc) history.jsonl    one such
//   report per line, oldest first generations/N/files/I            the bytes of the I-th file
//   generations/N/generation.json    written last: its presence says that the generation is whole
//     {"origin": {origin...}, "release": text, "active": bool, "enabled": bool, "ready": bool,
//      "files": [{"path": text, "present": bool, "mode": n, "uid": n, "gid": n}]}
// generations/N is what was there before change N. Its origin is the change that had made it:
//   origin           "generation": n, "run": text, "who": text, "time": seconds since 1970
// Books without an origin are older: there the state before change N is taken for that of N - 1.
#include "agent/install/books.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "agent/base/file.h"
#include "agent/install/bundle.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kJsonLimit = 1U << 20;
constexpr std::size_t kSavedLimit = 16U << 20;
constexpr off_t kHistoryLimit = 4L << 20;

std::optional<json> read_json(const fs::path& path) {
  const auto text = read_file(path, kJsonLimit);
  if (!text) return std::nullopt;
  json document = json::parse(*text, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  return document;
}

// Names that are not UTF-8 must not stop a change.
std::string text_of(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

unsigned number_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return 0;
  return found->get<unsigned>();
}

Origin origin_of(const json& object) {
  Origin origin{number_of(object, "generation"), text_of(object, "run"), text_of(object, "who"), 0};
  const auto time = object.find("time");
  if (time != object.end() && time->is_number_unsigned()) origin.time = time->get<std::int64_t>();
  return origin;
}

json json_of(const Origin& origin) {
  return {{"generation", origin.generation},
          {"run", origin.run},
          {"who", origin.who},
          {"time", origin.time}};
}

bool flag_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

Result<> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(path.string(), errno);
  return {};
}

}  // namespace

fs::path Books::path(std::string_view name) const {
  return system_.at(std::string(kBooks) + "/" + std::string(name));
}

Result<> Books::open() {
  std::error_code error;
  fs::create_directories(system_.at(kBooks).parent_path(), error);
  if (auto made = make_folder(system_.at(kBooks)); !made) return made;
  return make_folder(path("generations"));
}

std::optional<Applied> Books::applied() const {
  const auto document = read_json(path("applied.json"));
  if (!document) return std::nullopt;
  Applied applied;
  applied.origin = origin_of(*document);
  applied.release = text_of(*document, "release");
  const auto files = document->find("files");
  if (files == document->end() || !files->is_object()) return std::nullopt;
  for (const auto& [name, sha256] : files->items()) {
    if (sha256.is_string() && allowed_path(name)) applied.files[name] = sha256.get<std::string>();
  }
  return applied;
}

Result<> Books::write_applied(const Applied& applied) {
  json document = json_of(applied.origin);
  document["release"] = applied.release;
  document["files"] = applied.files;
  return write_file_atomic(path("applied.json"), text_of(document) + "\n");
}

std::optional<Underway> Books::underway() const {
  const auto document = read_json(path("underway.json"));
  if (!document) return std::nullopt;
  return Underway{text_of(*document, "run"), text_of(*document, "who"),
                  number_of(*document, "generation")};
}

Result<> Books::begin(const Underway& underway) {
  const json document{
      {"run", underway.run}, {"who", underway.who}, {"generation", underway.generation}};
  return write_file_atomic(path("underway.json"), text_of(document) + "\n");
}

Result<> Books::end() {
  const fs::path file = path("underway.json");
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno(file.string(), errno);
  return {};
}

Result<SavedFile> Books::save_file(std::string_view name) const {
  SavedFile saved;
  saved.path = name;
  const fs::path file = system_.at(name);
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return saved;
    return fail_errno(file.string(), errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalid, file.string() + ": is not a regular file");
  }
  auto bytes = read_file(file, kSavedLimit);
  if (!bytes) return fail(bytes.error());
  saved.present = true;
  saved.mode = status.st_mode & 07777;
  saved.uid = status.st_uid;
  saved.gid = status.st_gid;
  saved.bytes = std::move(*bytes);
  return saved;
}

Result<> Books::write_generation(const Generation& generation) {
  const fs::path folder = path("generations/" + std::to_string(generation.number));
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  auto written = fill_generation(folder, generation);
  if (!written) fs::remove_all(folder, ignored);  // the disk may be full of it
  return written;
}

Result<> Books::fill_generation(const fs::path& folder, const Generation& generation) {
  if (auto made = make_folder(folder); !made) return made;
  if (auto made = make_folder(folder / "files"); !made) return made;
  json files = json::array();
  for (const SavedFile& file : generation.files) {
    if (file.present) {
      auto written = write_file_atomic(folder / "files" / std::to_string(files.size()), file.bytes);
      if (!written) return written;
    }
    files.push_back({{"path", file.path},
                     {"present", file.present},
                     {"mode", file.mode},
                     {"uid", file.uid},
                     {"gid", file.gid}});
  }
  const json document{{"origin", json_of(generation.origin)},
                      {"release", generation.release},
                      {"active", generation.active},
                      {"enabled", generation.enabled},
                      {"ready", generation.ready},
                      {"files", files}};
  return write_file_atomic(folder / "generation.json", text_of(document) + "\n");
}

Result<Generation> Books::read_generation(unsigned number) const {
  const fs::path folder = path("generations/" + std::to_string(number));
  const auto document = read_json(folder / "generation.json");
  const auto bad = [&] {
    return fail(ErrorCode::kIo, "generation " + std::to_string(number) + " is not whole");
  };
  if (!document) return bad();
  Generation generation;
  generation.number = number;
  const auto origin = document->find("origin");
  if (origin != document->end() && origin->is_object()) {
    generation.origin = origin_of(*origin);
  } else if (number > 0) {
    generation.origin.generation = number - 1;
  }
  generation.release = text_of(*document, "release");
  generation.active = flag_of(*document, "active");
  generation.enabled = flag_of(*document, "enabled");
  generation.ready = flag_of(*document, "ready");
  const auto files = document->find("files");
  if (files == document->end() || !files->is_array()) return bad();
  for (const json& entry : *files) {
    if (!entry.is_object()) return bad();
    SavedFile file;
    file.path = text_of(entry, "path");
    file.present = flag_of(entry, "present");
    file.mode = number_of(entry, "mode") & 0777;
    file.uid = number_of(entry, "uid");
    file.gid = number_of(entry, "gid");
    if (!allowed_path(file.path)) return bad();
    if (file.present) {
      auto bytes =
          read_file(folder / "files" / std::to_string(generation.files.size()), kSavedLimit);
      if (!bytes) return bad();
      file.bytes = std::move(*bytes);
    }
    generation.files.push_back(std::move(file));
  }
  return generation;
}

std::vector<unsigned> Books::generations() const {
  std::vector<unsigned> numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path("generations"), error)) {
    const std::string name = entry.path().filename();
    unsigned number = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (bad == std::errc() && stop == name.data() + name.size()) numbers.push_back(number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  return numbers;
}

void Books::prune(unsigned keep, const std::string& current) {
  std::set<std::string> named{current};
  std::set<unsigned> states;  // by the change that made them
  std::error_code ignored;
  for (const unsigned number : generations()) {
    const auto generation = read_generation(number);
    if (generation && states.size() < keep && states.insert(generation->origin.generation).second) {
      if (!generation->release.empty() && named.size() < keep) named.insert(generation->release);
      continue;
    }
    fs::remove_all(path("generations/" + std::to_string(number)), ignored);
  }
  for (const auto& entry : fs::directory_iterator(system_.at(kReleases), ignored)) {
    const std::string name = entry.path().filename();
    if (valid_release(name) && !named.contains(name)) fs::remove_all(entry.path(), ignored);
  }
}

Result<> Books::write_result(const std::string& text) {
  if (auto written = write_file_atomic(path("result.json"), text + "\n"); !written) return written;
  const fs::path history = path("history.jsonl");
  struct stat status {};
  if (::stat(history.c_str(), &status) == 0 && status.st_size > kHistoryLimit) {
    ::rename(history.c_str(), path("history.jsonl.1").c_str());
  }
  const FileDescriptor fd(::open(history.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(history.string(), errno);
  return write_all(fd.get(), text + "\n");
}

}  // namespace agent::install
