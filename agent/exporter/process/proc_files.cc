#include "agent/exporter/process/proc_files.h"

#include <charconv>
#include <limits>

namespace agent::exporter::processes {
namespace {

// The number at the beginning of `text`, behind blanks.
std::optional<std::uint64_t> number(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

// Lines one after the other; false behind the last.
bool next_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const std::size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

// Blanks, and what stands between them and the next blank or line end; none at the end of `text`.
// A loop over characters: words are too short for anything cleverer.
std::optional<std::string_view> next_word(std::string_view& text) {
  std::size_t start = 0;
  while (start < text.size() && text[start] == ' ') ++start;
  if (start == text.size()) return std::nullopt;
  std::size_t end = start;
  while (end < text.size() && text[end] != ' ' && text[end] != '\n') ++end;
  const std::string_view word = text.substr(start, end - start);
  text.remove_prefix(end);
  return word;
}

// What stands behind `name` when `line` begins with it, else without data().
std::string_view behind(std::string_view line, std::string_view name) {
  return line.starts_with(name) ? line.substr(name.size()) : std::string_view();
}

// Where the line VmSwap of status begins; 0 when there is none. No line before it has a "w".
std::size_t swap_line(std::string_view text) {
  constexpr std::string_view kLine = "\nVmSwap:";
  constexpr std::size_t kBefore = kLine.find('w');
  for (std::size_t at = text.find('w'); at != std::string_view::npos; at = text.find('w', at + 1))
    if (at >= kBefore && text.substr(at - kBefore).starts_with(kLine)) return at - kBefore + 1;
  return 0;
}

constexpr std::uint64_t kKibi = 1024;

// "  12 kB"
std::optional<std::uint64_t> kibibytes(std::string_view text) {
  const auto value = number(text);
  if (!value || *value > std::numeric_limits<std::uint64_t>::max() / kKibi) return std::nullopt;
  return *value * kKibi;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size();
    if (escape && text[i + 1] == 'n') {
      out += '\n';
      ++i;
    } else if (escape && text[i + 1] == '\\') {
      out += '\\';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::optional<Stat> parse_stat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  Stat out;
  out.comm = text.substr(open + 1, close - open - 1);
  std::string_view rest = text.substr(close + 1);
  // The fields behind comm, counted as proc(5) does: the state is the third, wchan the 35th. Some
  // before it have no meaning any more, and nothing behind the 24th is needed.
  for (int field = 3; field <= 35; ++field) {
    const auto found = next_word(rest);
    if (!found) {
      if (field <= 24) return std::nullopt;
      break;
    }
    const std::string_view word = *found;
    std::uint64_t* into = nullptr;
    switch (field) {
      case 3:
        if (word.size() != 1) return std::nullopt;
        out.state = word[0];
        continue;
      case 4: {
        const auto [end, error] =
            std::from_chars(word.data(), word.data() + word.size(), out.parent);
        if (error != std::errc()) return std::nullopt;
        continue;
      }
      case 10:
        into = &out.minor_faults;
        break;
      case 12:
        into = &out.major_faults;
        break;
      case 14:
        into = &out.user_ticks;
        break;
      case 15:
        into = &out.system_ticks;
        break;
      case 20:
        into = &out.threads;
        break;
      case 22:
        into = &out.start_ticks;
        break;
      case 23:
        into = &out.virtual_bytes;
        break;
      case 24:
        into = &out.resident_pages;
        break;
      case 35:
        out.may_wait = word != "0";
        continue;
      default:
        continue;
    }
    const auto value = number(word);
    if (!value) return std::nullopt;
    *into = *value;
  }
  return out;
}

std::optional<Status> parse_status(std::string_view text) {
  Status out;
  bool named = false;
  bool switches = false;
  const auto count = [](std::string_view line, std::string_view name, std::uint64_t& into) {
    const auto value = number(behind(line, name));
    if (value) into = *value;
    return value.has_value();
  };
  std::string_view line;
  while (next_line(text, line)) {
    switch (line.empty() ? '\0' : line.front()) {  // of sixty lines six matter
      case 'N':
        if (const auto name = behind(line, "Name:\t"); name.data() != nullptr) {
          out.name = unescaped(name);
          named = true;
        }
        break;
      case 'S':
        if (const auto state = behind(line, "State:\t"); !state.empty()) out.state = state[0];
        break;
      case 'U':
        if (const auto users = behind(line, "Uid:\t"); users.data() != nullptr) {
          // real, effective, saved, of the file system
          const std::size_t tab = users.find('\t');
          if (tab == std::string_view::npos) return std::nullopt;
          const auto user = number(users.substr(tab));
          if (!user) return std::nullopt;
          out.effective_user = *user;
          // Of the twenty lines behind it none matters before VmSwap.
          text.remove_prefix(swap_line(text));
        }
        break;
      case 'V':
        if (const auto swap = behind(line, "VmSwap:"); swap.data() != nullptr) {
          const auto bytes = kibibytes(swap);
          if (!bytes) return std::nullopt;
          out.swapped_bytes = *bytes;
          // Of the thirty lines behind it the last two matter.
          const std::size_t last = text.rfind("\nvoluntary_ctxt_switches:");
          if (last != std::string_view::npos) text.remove_prefix(last + 1);
        }
        break;
      case 'v':
        switches = count(line, "voluntary_ctxt_switches:", out.voluntary_switches) || switches;
        break;
      case 'n':
        // The last that matters.
        if (named && switches &&
            count(line, "nonvoluntary_ctxt_switches:", out.nonvoluntary_switches))
          return out;
        break;
      default:
        break;
    }
  }
  return std::nullopt;
}

std::optional<Io> parse_io(std::string_view text) {
  std::optional<std::uint64_t> read, written;
  std::string_view line;
  while (next_line(text, line)) {
    if (const auto in = behind(line, "read_bytes:"); in.data() != nullptr) read = number(in);
    if (const auto out = behind(line, "write_bytes:"); out.data() != nullptr) written = number(out);
  }
  if (!read || !written) return std::nullopt;
  return Io{*read, *written};
}

std::optional<std::uint64_t> parse_open_files_limit(std::string_view text) {
  std::string_view line;
  while (next_line(text, line)) {
    const auto soft = behind(line, "Max open files ");
    if (soft.data() == nullptr) continue;
    const std::size_t start = soft.find_first_not_of(' ');
    if (start != std::string_view::npos && soft.substr(start).starts_with("unlimited"))
      return std::numeric_limits<std::uint64_t>::max();
    return number(soft);
  }
  return std::nullopt;
}

std::optional<Smaps> parse_smaps_rollup(std::string_view text) {
  std::optional<std::uint64_t> resident;
  Smaps out;
  std::string_view line;
  while (next_line(text, line)) {
    if (const auto pss = behind(line, "Pss:"); pss.data() != nullptr) resident = kibibytes(pss);
    if (const auto swap = behind(line, "SwapPss:"); swap.data() != nullptr)
      out.proportional_swap_bytes = kibibytes(swap).value_or(0);
  }
  if (!resident) return std::nullopt;
  out.proportional_bytes = *resident;
  return out;
}

std::vector<std::string_view> parse_cmdline(std::string_view text) {
  std::vector<std::string_view> out;
  if (text.empty()) return out;
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  while (true) {
    const std::size_t end = text.find('\0');
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> parse_cgroups(std::string_view text) {
  std::vector<std::string_view> out;
  std::string_view line;
  while (next_line(text, line)) {
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second != std::string_view::npos) out.push_back(line.substr(second + 1));
  }
  return out;
}

std::optional<std::uint64_t> parse_boot_time(std::string_view text) {
  std::string_view line;
  while (next_line(text, line))
    if (const auto seconds = behind(line, "btime "); seconds.data() != nullptr)
      return number(seconds);
  return std::nullopt;
}

}  // namespace agent::exporter::processes
