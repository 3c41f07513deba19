// Reading what the kernel writes: small texts of lines and words.
#pragma once

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/base/strings.h"
#include "agent/exporter/unix/collector.h"

namespace agent::exporter::unix_host {

// No file of /proc or /sys that a collector reads is nearly as large, and no attribute of /sys is
// larger than a page of memory (64 KiB where pages are large).
inline constexpr std::size_t kMaxText = 8U << 20;
inline constexpr std::size_t kMaxAttribute = 64U << 10;

inline Result<std::string> read_text(const std::filesystem::path& path) {
  return read_file(path, kMaxText);
}

template <class Use>
void for_each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    use(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// Separated by blanks.
std::vector<std::string_view> words(std::string_view line);

inline std::optional<double> number(std::string_view text, int base = 10) {
  if (base != 10) {
    unsigned long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return static_cast<double>(value);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}
// Decimal, or hexadecimal with 0x.
inline std::optional<double> any_number(std::string_view text) {
  return text.starts_with("0x") ? number(text.substr(2), 16) : number(text);
}

// A folder whose attributes are read: cheaper than paths where there are many.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& path);
  explicit operator bool() const { return static_cast<bool>(fd_); }  // it is there
  // All of a file, without blanks at its ends; none when it cannot be read.
  std::optional<std::string> attribute(const char* file) const;
  std::string word(const char* file) const { return attribute(file).value_or(""); }
  std::optional<double> number(const char* file) const;

 private:
  FileDescriptor fd_;
};
// An attribute of /sys: all of a file, without blanks at its ends.
std::optional<std::string> read_attribute(const std::filesystem::path& path);
// The same; "" when it cannot be read.
std::string read_word(const std::filesystem::path& path);
// The number that is all of a file of /sys, any_number's; none when it is not there or no number.
std::optional<double> read_number(const std::filesystem::path& path);
// The names in a folder, in order; kNotFound when there is no such folder.
Result<std::vector<std::string>> names_in(const std::filesystem::path& folder);
// What is in a folder, by name; empty when it cannot be read.
std::vector<std::filesystem::path> entries(const std::filesystem::path& folder);
// Names in a folder that are `prefix` and a number: cpu0, cpu1, cpu10. None when there is no
// folder.
std::vector<std::string> numbered_in(const std::filesystem::path& folder, std::string_view prefix);

// A file that is one number, and the series that it is told as: the number times `factor` by
// `divisor`.
struct NumberFile {
  const char* file;
  const char* name;
  const char* help;
  bool counter = false;
  double factor = 1;
  double divisor = 1;
};
// Tells those of the files in `folder` that are there and are numbers.
void add_numbers(const std::filesystem::path& folder, std::span<const NumberFile> files,
                 const Families::Labels& labels, Families& out);
// A label for each file that is there; the label's name is the file's.
void add_words(const std::filesystem::path& folder, std::span<const char* const> files,
               model::Labels& labels);

// A part of a metric's name: what cannot be in one becomes one '_', with those beside it.
inline std::string collapse_name(std::string_view name) {
  std::string out;
  bool replaced = false;  // the '_' at the end of `out` stands for other bytes
  for (const char c : name) {
    const bool fine =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fine) {
      while (!replaced && out.ends_with('_')) out.pop_back();
      if (!replaced) out += '_';
      replaced = true;
    } else if (c != '_' || !replaced) {
      out += c;
      replaced = false;
    }
  }
  return out;
}

}  // namespace agent::exporter::unix_host
