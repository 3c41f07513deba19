// The bundle's bytes:
//
//   bundle   = "fleet-apply 1 " manifest-size LF manifest files
//   manifest = a JSON object of manifest-size bytes:
//     { "run": text, "who": text, "release": 16 hex digits, "groups": [name...],
//       "http": "127.0.0.1:12345", "ready_seconds": n, "grace_ms": n, "delivery": bool,
//       "restart": "always" | "never", "roll_back": bool,
//       "files": [ { "path": text, "mode": "0640", "size": n, "sha256": 64 hex digits } ... ] }
//   files    = the bytes of each file, in the manifest's order, with nothing between them
//
// Limits: manifest 256 KiB, 256 files, 16 MiB in all. Unknown members are ignored, missing ones are
// an error except http, ready_seconds, grace_ms, delivery, restart and roll_back. A manifest with
// "back_to": n asks for a generation that the host has kept; it needs run and who, and has no
// release, groups and files.
#include "agent/install/bundle.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/base/file.h"

namespace agent::install {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "fleet-apply 1 ";
constexpr std::size_t kManifestLimit = 256U << 10;
constexpr std::size_t kFilesLimit = 16U << 20;
constexpr std::size_t kFileCount = 256;
constexpr std::size_t kHeadLimit = 32;
constexpr std::uint64_t kGenerationLimit = 1'000'000'000;
constexpr int kSilenceMs = 60'000;  // an operator's machine that vanished must not hold the lock

tl::unexpected<Error> bad(const std::string& what) {
  return fail(ErrorCode::kInvalid, "bundle: " + what);
}

template <class Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<std::string> text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// At most ten minutes.
Result<> read_duration(const json& object, const char* name, Duration unit,
                       const std::function<void(Duration)>& take) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  const auto most = static_cast<std::uint64_t>(Duration(std::chrono::minutes(10)) / unit);
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > most)
    return bad("bad " + std::string(name));
  take(unit * found->get<std::int64_t>());
  return {};
}

// When the change is taken for good.
Result<> parse_gate(const json& document, Bundle& bundle) {
  if (auto read = read_duration(document, "ready_seconds", std::chrono::seconds(1),
                                [&](Duration ready) { bundle.ready = ready; });
      !read)
    return read;
  bundle.delivery = document.value("delivery", json(true)) != json(false);
  return read_duration(document, "grace_ms", std::chrono::milliseconds(1),
                       [&](Duration grace) { bundle.grace = grace; });
}

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The size of the manifest that the first line announces.
Result<std::size_t> parse_head(std::string_view line) {
  if (line.substr(0, kMagic.size()) != kMagic)
    return bad("it does not begin with \"fleet-apply 1\"");
  const auto size = to_number<std::size_t>(line.substr(kMagic.size()));
  if (!size || *size == 0 || *size > kManifestLimit) return bad("bad manifest size");
  return *size;
}

struct Manifest {
  Bundle bundle;                   // files without bytes
  std::vector<std::size_t> sizes;  // of the files
  std::size_t total = 0;
};

Result<> parse_files(const json& list, Manifest& manifest) {
  if (list.size() > kFileCount) return bad("too many files");
  for (const json& entry : list) {
    if (!entry.is_object()) return bad("a file is not an object");
    const auto path = text_of(entry, "path");
    const auto mode_text = text_of(entry, "mode");
    const auto sha256 = text_of(entry, "sha256");
    const auto size = entry.find("size");
    if (!path || !allowed_path(*path)) return bad("no or forbidden path: " + path.value_or(""));
    const auto mode = mode_text ? to_number<unsigned>(*mode_text, 8) : std::nullopt;
    if (!mode || *mode > 0777) return bad(*path + ": bad mode");
    if (!sha256 || !is_hex(*sha256, 64)) return bad(*path + ": bad sha256");
    if (size == entry.end() || !size->is_number_unsigned()) return bad(*path + ": bad size");
    const auto bytes = size->get<std::uint64_t>();
    if (bytes > kFilesLimit || manifest.total + bytes > kFilesLimit) {
      return bad("files of more than 16 MiB");
    }
    const auto& known = manifest.bundle.files;
    if (std::any_of(known.begin(), known.end(),
                    [&](const auto& file) { return file.path == *path; })) {
      return bad(*path + ": twice");
    }
    manifest.sizes.push_back(static_cast<std::size_t>(bytes));
    manifest.total += static_cast<std::size_t>(bytes);
    manifest.bundle.files.push_back(BundleFile{*path, static_cast<mode_t>(*mode), {}, *sha256});
  }
  return {};
}

Result<Manifest> parse_manifest(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return bad("the manifest is not a JSON object");
  Manifest manifest;
  Bundle& bundle = manifest.bundle;
  const auto run = text_of(document, "run");
  const auto who = text_of(document, "who");
  const auto release = text_of(document, "release");
  const auto groups = document.find("groups");
  const auto files = document.find("files");
  bundle.run = run.value_or("");
  bundle.who = who.value_or("");
  if (auto parsed = parse_gate(document, bundle); !parsed) return fail(parsed.error());
  if (const auto back_to = document.find("back_to"); back_to != document.end()) {
    if (!run || !who) return bad("run or who is missing");
    if (!back_to->is_number_unsigned() || back_to->get<std::uint64_t>() > kGenerationLimit)
      return bad("bad back_to");
    bundle.back_to = back_to->get<unsigned>();
    return manifest;
  }
  if (!run || !who || !release || groups == document.end() || !groups->is_array() ||
      files == document.end() || !files->is_array()) {
    return bad("run, who, release, groups or files is missing");
  }
  if (!valid_release(*release)) return bad("bad release");
  bundle.release = *release;
  for (const json& group : *groups) {
    const auto name = group.is_string() ? group.get<std::string>() : std::string();
    const bool good =
        !name.empty() && name.size() <= 32 && name[0] != '-' &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!good) return bad("bad group name");
    bundle.groups.push_back(name);
  }
  bundle.http = text_of(document, "http").value_or(bundle.http);
  const std::string restart = text_of(document, "restart").value_or("");
  if (restart == "always") bundle.restart = Restart::kAlways;
  if (restart == "never") bundle.restart = Restart::kNever;
  bundle.rolls_back = document.value("roll_back", json(true)) != json(false);
  if (auto parsed = parse_files(*files, manifest); !parsed) return fail(parsed.error());
  return manifest;
}

Result<Bundle> fill(Manifest manifest, std::string_view bytes) {
  for (std::size_t i = 0; i < manifest.sizes.size(); ++i) {
    BundleFile& file = manifest.bundle.files[i];
    file.bytes = bytes.substr(0, manifest.sizes[i]);
    bytes.remove_prefix(manifest.sizes[i]);
    if (sha256_hex(file.bytes) != file.sha256) return bad(file.path + ": wrong checksum");
  }
  return std::move(manifest.bundle);
}

Result<std::string> read_exactly(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size;) {
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kSilenceMs);
    if (ready == 0) return bad("nothing more came");
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t n = ::read(fd, bytes.data() + at, size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("bundle", errno);
    if (n == 0)
      return bad("it ended early (" + std::to_string(at) + " of " + std::to_string(size) +
                 " bytes)");
    at += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace

bool allowed_path(std::string_view path) {
  constexpr std::string_view kUnit = "/etc/systemd/system/fleet-agent.service";
  if (path.find('\0') != std::string_view::npos || path.size() > 512) return false;
  if (path == kUnit) return true;
  for (const std::string_view folder :
       {std::string_view("/etc/fleet-agent/"),
        std::string_view("/etc/systemd/system/fleet-agent.service.d/")}) {
    if (path.substr(0, folder.size()) != folder) continue;
    const std::string_view name =
        path.substr(folder.size());  // one level: no folders to make or follow
    return !name.empty() && name[0] != '.' && name.find('/') == std::string_view::npos;
  }
  return false;
}

bool valid_release(std::string_view name) { return is_hex(name, 16); }

Result<Bundle> read_bundle(int fd) {
  std::string head;
  while (head.empty() || head.back() != '\n') {
    if (head.size() >= kHeadLimit) return bad("it does not begin with \"fleet-apply 1\"");
    auto byte = read_exactly(fd, 1);
    if (!byte) return fail(byte.error());
    head += *byte;
  }
  head.pop_back();
  const auto size = parse_head(head);
  if (!size) return fail(size.error());
  const auto text = read_exactly(fd, *size);
  if (!text) return fail(text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return fail(manifest.error());
  const auto bytes = read_exactly(fd, manifest->total);
  if (!bytes) return fail(bytes.error());
  return fill(std::move(*manifest), *bytes);
}

Result<Bundle> parse_bundle(std::string_view bytes) {
  const auto line = bytes.substr(0, std::min(bytes.find('\n'), kHeadLimit));
  const auto size = parse_head(line);
  if (!size) return fail(size.error());
  bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
  if (bytes.size() < *size) return bad("it ended early");
  auto manifest = parse_manifest(bytes.substr(0, *size));
  if (!manifest) return fail(manifest.error());
  bytes.remove_prefix(*size);
  if (bytes.size() != manifest->total) return bad("it is not as long as its files");
  return fill(std::move(*manifest), bytes);
}

}  // namespace agent::install
