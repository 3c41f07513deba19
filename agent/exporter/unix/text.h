// Reading what the kernel writes: small texts of lines and words.
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/base/strings.h"

namespace agent::exporter::unix_host {

// No file of /proc or /sys that a collector reads is nearly as large.
inline constexpr std::size_t kMaxText = 8U << 20;

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
inline std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return out;
    line.remove_prefix(start);
    const std::size_t end = line.find_first_of(" \t");
    out.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return out;
    line.remove_prefix(end);
  }
}

inline std::optional<double> number(std::string_view text, int base = 10) {
  if (base != 10) {
    unsigned long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return static_cast<double>(value);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The number that is all of a file of /sys; none when it is not there or no number.
inline std::optional<double> read_number(const std::filesystem::path& path) {
  const auto text = read_text(path);
  return text ? number(trim(*text)) : std::nullopt;
}
// All of a file of /sys, without the line end; "" when it is not there.
inline std::string read_word(const std::filesystem::path& path) {
  const auto text = read_text(path);
  return text ? std::string(trim(*text)) : std::string();
}

// Decimal, or hexadecimal with 0x.
inline std::optional<double> any_number(std::string_view text) {
  if (text.starts_with("0x")) return number(text.substr(2), 16);
  return number(text);
}
// What is in a folder, by name; empty when it cannot be read.
inline std::vector<std::filesystem::path> entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error))
    out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

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
