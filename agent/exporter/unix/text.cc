#include "agent/exporter/unix/text.h"

#include <algorithm>

namespace agent::exporter::unix_host {
namespace fs = std::filesystem;

std::optional<std::string> read_attribute(const fs::path& path) {
  const auto text = read_file(path, kMaxAttribute);
  if (!text) return std::nullopt;
  return std::string(trim(*text));
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
  for (const NumberFile& one : files) {
    const auto value = read_number(folder / one.file);
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
  for (const char* file : files)
    if (auto word = read_attribute(folder / file)) labels.push_back({file, std::move(*word)});
}

}  // namespace agent::exporter::unix_host
