#include "agent/exporter/unix/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace agent::exporter::unix_host {
namespace fs = std::filesystem;

namespace {

// What /sys has of an attribute comes with one read(2), so a short one is the last.
std::optional<std::string> read_at(int folder, const char* path) {
  const FileDescriptor fd(::openat(folder, path, O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::array<char, 4096> buffer;
  std::string text;
  while (text.size() <= kMaxAttribute) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    const std::string_view part(buffer.data(), static_cast<std::size_t>(n));
    const bool last = part.size() < buffer.size();
    if (last && text.empty()) return std::string(trim(part));
    text += part;
    if (last) return std::string(trim(text));
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string_view> words(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  std::vector<std::string_view> out;
  std::size_t i = 0;
  while (true) {
    while (i < line.size() && blank(line[i])) ++i;
    if (i == line.size()) return out;
    const std::size_t start = i;
    while (i < line.size() && !blank(line[i])) ++i;
    if (out.empty()) out.reserve(16);
    out.push_back(line.substr(start, i - start));
  }
}

Folder::Folder(const fs::path& path)
    : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

std::optional<std::string> Folder::attribute(const char* file) const {
  return fd_ ? read_at(fd_.get(), file) : std::nullopt;
}
std::optional<double> Folder::number(const char* file) const {
  const auto text = attribute(file);
  return text ? any_number(*text) : std::nullopt;
}

std::optional<std::string> read_attribute(const fs::path& path) {
  return read_at(AT_FDCWD, path.c_str());
}

std::string read_word(const fs::path& path) { return read_attribute(path).value_or(""); }

std::optional<double> read_number(const fs::path& path) {
  const auto text = read_attribute(path);
  return text ? any_number(*text) : std::nullopt;
}

Result<std::vector<std::string>> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    out.push_back(it->path().filename().string());
  if (error)
    return fail(
        error == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo,
        folder.string() + ": " + error.message());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> out;
  if (const auto names = names_in(folder))
    for (const std::string& name : *names) out.push_back(folder / name);
  return out;
}

std::vector<std::string> numbered_in(const fs::path& folder, std::string_view prefix) {
  std::vector<std::string> out;
  for (std::string& name : names_in(folder).value_or(std::vector<std::string>()))
    if (name.starts_with(prefix) && name.size() > prefix.size() &&
        name.find_first_not_of("0123456789", prefix.size()) == std::string::npos)
      out.push_back(std::move(name));
  return out;
}

void add_numbers(const fs::path& folder, std::span<const NumberFile> files,
                 const Families::Labels& labels, Families& out) {
  const Folder here(folder);
  for (const NumberFile& one : files) {
    const auto value = here.number(one.file);
    if (!value) continue;
    const double told = *value * one.factor / one.divisor;
    if (one.counter) {
      out.counter(one.name, one.help, told, labels);
    } else {
      out.gauge(one.name, one.help, told, labels);
    }
  }
}

void add_words(const fs::path& folder, std::span<const char* const> files, model::Labels& labels) {
  const Folder here(folder);
  for (const char* file : files)
    if (auto word = here.attribute(file)) labels.push_back({file, std::move(*word)});
}

}  // namespace agent::exporter::unix_host
