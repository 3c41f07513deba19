// format := { text | "%" { flag } [ "[" n "]" ] [ width ] [ "." [ precision ] ] [ "[" n "]" ] verb
// } flag   := "+" | "-" | "#" | "0" | " "          width, precision := digits | [ "[" n "]" ] "*"
#include "agent/wire/go_format.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/base/unicode.h"
#include "agent/wire/time_layout.h"

namespace agent::wire {
namespace {

constexpr int kMaxDepth = 64;
constexpr int kMaxWidth = 1'000'000;  // as Go's

struct Spec {
  char32_t verb = 'v';
  bool plus = false, minus = false, sharp = false, zero = false, space = false;
  bool plus_v = false, sharp_v = false;
  std::optional<int> width, precision;
};

std::string time_text(const GoTime& time) {
  std::string out;
  append_time(out, "2006-01-02 15:04:05.999999999 -0700 MST", time.seconds, time.nanoseconds,
              *time.zone);
  return out;
}

class Printer {
 public:
  Printer(GoText& out, GoScratch& scratch) : out_(out), scratch_(scratch) {}

  void printf(std::string_view format, std::span<const GoValue> values);

  void value(const GoValue& v, const Spec& spec, int depth) {
    if (depth > kMaxDepth) {
      out_.add(static_cast<std::size_t>(-1), ' ');  // fills it
      return;
    }
    if (out_.full()) return;
    switch (v.type()) {
      case GoType::kNil:
        if (depth > 0) {
          out_.add(spec.sharp_v ? "interface {}(nil)" : "<nil>");
        } else if (spec.verb == 'v') {
          pad("<nil>", spec);
        } else {
          bad_verb(v, spec);
        }
        return;
      case GoType::kBool:
        if (spec.verb != 't' && spec.verb != 'v') return bad_verb(v, spec);
        return pad(v.boolean() ? "true" : "false", spec);
      case GoType::kInt:
      case GoType::kInt64:
      case GoType::kByte:
        return integer(v, spec);
      case GoType::kFloat:
        return number(v, spec);
      case GoType::kString:
        return string(v.string(), v, spec);
      case GoType::kTime:
        return string(time_text(v.time()), v, spec);
      default:
        break;
    }
    if (v.is_list()) {
      if (spec.sharp_v) out_.add(go_type_name(v.type()));
      out_.add(spec.sharp_v ? '{' : '[');
      bool first = true;
      for (const GoValue& item : v.list()) {
        if (out_.full()) return;
        if (!first) out_.add(spec.sharp_v ? ", " : " ");
        first = false;
        value(item, spec, depth + 1);
      }
      return out_.add(spec.sharp_v ? '}' : ']');
    }
    out_.add(spec.sharp_v ? go_type_name(v.type()) : "map");
    out_.add(spec.sharp_v ? '{' : '[');
    bool first = true;
    for (const GoMap::Pair& pair : v.map().pairs(scratch_)) {
      if (out_.full()) return;
      if (!first) out_.add(spec.sharp_v ? ", " : " ");
      first = false;
      value(GoValue(pair.key), spec, depth + 1);
      out_.add(':');
      value(pair.value, spec, depth + 1);
    }
    out_.add(spec.sharp_v ? '}' : ']');
  }

 private:
  void bad_verb(const GoValue& v, const Spec& spec) {
    out_.add("%!");
    out_.add_rune(spec.verb);
    out_.add('(');
    if (!v.is_nil()) {
      out_.add(go_type_name(v.type()));
      out_.add('=');
    }
    Spec plain = spec;
    plain.verb = 'v';
    plain.plus_v = plain.sharp_v = false;
    value(v, plain, kMaxDepth - 8);
    out_.add(')');
  }

  void pad(std::string_view text, const Spec& spec) {
    const std::size_t width = static_cast<std::size_t>(spec.width.value_or(0));
    const std::size_t length = width == 0 ? 0 : count_code_points(text);
    const std::size_t fill = width > length ? width - length : 0;
    if (!spec.minus) out_.add(fill, spec.zero ? '0' : ' ');
    out_.add(text);
    if (spec.minus) out_.add(fill, ' ');
  }

  void integer(const GoValue& v, const Spec& spec) {
    const bool is_unsigned = v.type() == GoType::kByte;
    int base = 10;
    bool upper = false;
    switch (spec.verb) {
      case 'v':
        if (spec.sharp_v && is_unsigned) {
          Spec hex = spec;
          hex.sharp = true;
          hex.sharp_v = false;
          return digits(v.integer(), 16, false, 'v', hex);
        }
        break;
      case 'd':
        break;
      case 'b':
        base = 2;
        break;
      case 'o':
      case 'O':
        base = 8;
        break;
      case 'x':
        base = 16;
        break;
      case 'X':
        base = 16;
        upper = true;
        break;
      case 'c': {
        std::string text;
        append_utf8(text, rune_of(v.integer()));
        return pad(text, spec);
      }
      case 'q': {
        std::string text;
        GoText quoted(text, 64);
        std::string c;
        append_utf8(c, rune_of(v.integer()));
        go_quote(quoted, c, '\'', spec.plus);
        return pad(text, spec);
      }
      case 'U': {
        std::string hex(16, '\0');
        const auto end = std::to_chars(hex.data(), hex.data() + hex.size(),
                                       static_cast<std::uint64_t>(v.integer()), 16);
        hex.resize(static_cast<std::size_t>(end.ptr - hex.data()));
        for (char& c : hex)
          if (c >= 'a') c = static_cast<char>(c - 32);
        const std::size_t least = static_cast<std::size_t>(std::max(4, spec.precision.value_or(4)));
        if (hex.size() < least) hex.insert(0, least - hex.size(), '0');
        hex.insert(0, "U+");
        if (spec.sharp && go_is_print(rune_of(v.integer())) && v.integer() >= 0 &&
            v.integer() <= 0x10FFFF) {
          hex += " '";
          append_utf8(hex, rune_of(v.integer()));
          hex += '\'';
        }
        Spec blank = spec;
        blank.zero = false;
        return pad(hex, blank);
      }
      default:
        return bad_verb(v, spec);
    }
    digits(v.integer(), base, upper, spec.verb, spec);
  }

  static char32_t rune_of(std::int64_t value) {
    return value < 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)
               ? 0xFFFD
               : static_cast<char32_t>(value);
  }

  void digits(std::int64_t value, int base, bool upper, char32_t verb, const Spec& spec) {
    const bool negative = value < 0;
    const std::uint64_t magnitude =
        negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    std::array<char, 64> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, base).ptr;
    std::string text(buffer.data(), end);
    if (upper)
      for (char& c : text)
        if (c >= 'a') c = static_cast<char>(c - 32);
    std::size_t least = 0;
    if (spec.precision) {
      least = static_cast<std::size_t>(*spec.precision);
      if (least == 0 && value == 0) {
        Spec blank = spec;
        blank.zero = false;
        return pad("", blank);
      }
    } else if (spec.zero && spec.width) {
      least = static_cast<std::size_t>(*spec.width);
      if (negative || spec.plus || spec.space) least -= least > 0 ? 1 : 0;
    }
    if (text.size() < least) text.insert(0, least - text.size(), '0');
    if (spec.sharp) {
      if (base == 2) text.insert(0, "0b");
      if (base == 8 && text[0] != '0') text.insert(0, "0");
      if (base == 16) text.insert(0, upper ? "0X" : "0x");
    }
    if (verb == 'O') text.insert(0, "0o");
    if (negative) {
      text.insert(0, "-");
    } else if (spec.plus) {
      text.insert(0, "+");
    } else if (spec.space) {
      text.insert(0, " ");
    }
    Spec blank = spec;
    blank.zero = false;
    pad(text, blank);
  }

  void number(const GoValue& v, const Spec& spec) {
    char format = 'g';
    int precision = -1;
    switch (spec.verb) {
      case 'v':
        break;
      case 'g':
      case 'G':
        format = static_cast<char>(spec.verb);
        break;
      case 'e':
      case 'E':
        format = static_cast<char>(spec.verb);
        precision = 6;
        break;
      case 'f':
      case 'F':
        format = 'f';
        precision = 6;
        break;
      default:
        return bad_verb(v, spec);
    }
    if (spec.precision) precision = *spec.precision;
    if (precision > 1100) precision = 1100;  // no double has more digits
    std::string text;
    go_float(text, v.number(), format, precision);
    if (text[0] != '-' && text[0] != '+') text.insert(0, "+");
    if (spec.space && text[0] == '+' && !spec.plus) text[0] = ' ';
    Spec padded = spec;
    if (text[1] == 'I' || text[1] == 'N') {
      padded.zero = false;
      if (text[1] == 'N' && !spec.space && !spec.plus) text.erase(0, 1);
      return pad(text, padded);
    }
    if (spec.sharp) with_point(text, format, spec.precision.value_or(-1));
    if (spec.plus || text[0] != '+') {
      if (spec.zero && !spec.minus && spec.width &&
          static_cast<std::size_t>(*spec.width) > text.size()) {
        out_.add(text[0]);
        out_.add(static_cast<std::size_t>(*spec.width) - text.size(), '0');
        out_.add(std::string_view(text).substr(1));
        return;
      }
      return pad(text, padded);
    }
    pad(std::string_view(text).substr(1), padded);
  }

  // "#": a decimal point always, and with %g the zeros behind it.
  static void with_point(std::string& text, char format, int precision) {
    std::size_t mantissa_end = text.find_first_of("eE");
    if (mantissa_end == std::string::npos) mantissa_end = text.size();
    std::string tail = text.substr(mantissa_end);
    text.resize(mantissa_end);
    int wanted = format == 'g' || format == 'G' ? (precision == -1 ? 6 : precision) : 0;
    const bool point = text.find('.') != std::string::npos;
    bool significant = false;
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] != '.' && text[i] != '0') significant = true;
      if (text[i] != '.' && significant) --wanted;
    }
    if (!significant && text.size() > 1) --wanted;  // a lone zero is a digit too
    if (!point) text += '.';
    if (wanted > 0) text.append(static_cast<std::size_t>(wanted), '0');
    text += tail;
  }

  void string(std::string_view text, const GoValue& v, const Spec& spec) {
    switch (spec.verb) {
      case 'v':
        if (spec.sharp_v) return quoted(text, spec);
        break;
      case 's':
        break;
      case 'x':
      case 'X':
        return hex(text, spec);
      case 'q':
        return quoted(text, spec);
      default:
        return bad_verb(v, spec);
    }
    pad(cut(text, spec), spec);
  }

  static std::string_view cut(std::string_view text, const Spec& spec) {
    if (!spec.precision) return text;
    std::size_t end = 0;
    for (int n = 0; n < *spec.precision && end < text.size(); ++n)
      end += decode_utf8(text.substr(end)).length;
    return text.substr(0, end);
  }

  void quoted(std::string_view text, const Spec& spec) {
    text = cut(text, spec);
    std::string quoted;
    GoText out(quoted, 4 * text.size() * 3 + 64);
    const bool raw =
        spec.sharp && std::all_of(text.begin(), text.end(), [](char c) {
          return c != '`' && c != '\x7f' && (c == '\t' || static_cast<unsigned char>(c) >= 0x20);
        });
    if (raw) {
      quoted = "`" + std::string(text) + "`";
    } else {
      go_quote(out, text, '"', spec.plus);
    }
    pad(quoted, spec);
  }

  void hex(std::string_view text, const Spec& spec) {
    if (spec.precision) text = text.substr(0, static_cast<std::size_t>(*spec.precision));
    const char* const table = spec.verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (spec.space && i > 0) out += ' ';
      if (spec.sharp && (spec.space || i == 0)) out += spec.verb == 'X' ? "0X" : "0x";
      const auto byte = static_cast<unsigned char>(text[i]);
      out += table[byte >> 4];
      out += table[byte & 15];
    }
    Spec blank = spec;
    blank.zero = false;
    pad(out, blank);
  }

  GoText& out_;
  GoScratch& scratch_;
};

void Printer::printf(std::string_view format, std::span<const GoValue> values) {
  std::size_t next = 0;
  bool reordered = false;
  std::size_t i = 0;
  while (i < format.size() && !out_.full()) {
    const std::size_t percent = std::min(format.find('%', i), format.size());
    out_.add(format.substr(i, percent - i));
    i = percent + 1;
    if (percent == format.size()) break;

    Spec spec;
    bool good_index = true;
    bool after_index = false;
    bool reordered_here = false;
    for (bool flags = true; flags && i < format.size(); i += flags ? 1 : 0) {
      switch (format[i]) {
        case '#':
          spec.sharp = true;
          break;
        case '0':
          spec.zero = !spec.minus;
          break;
        case '+':
          spec.plus = true;
          break;
        case '-':
          spec.minus = true;
          spec.zero = false;
          break;
        case ' ':
          spec.space = true;
          break;
        default:
          flags = false;
      }
    }
    const auto index = [&] {
      if (i >= format.size() || format[i] != '[') return;
      reordered_here = true;
      const std::size_t close = format.find(']', i);
      std::size_t n = 0;
      const bool number = close != std::string_view::npos && close > i + 1 &&
                          std::from_chars(format.data() + i + 1, format.data() + close, n).ptr ==
                              format.data() + close;
      if (number && n >= 1 && n <= values.size()) {
        next = n - 1;
        after_index = true;
      } else {
        good_index = false;
      }
      i = close == std::string_view::npos ? i + 1 : close + 1;
    };
    const auto digits = [&]() -> std::optional<int> {
      int n = 0;
      std::size_t read = 0;
      while (i < format.size() && format[i] >= '0' && format[i] <= '9') {
        n = std::min(n * 10 + (format[i] - '0'), 10 * kMaxWidth);
        ++i;
        ++read;
      }
      if (read == 0 || n > kMaxWidth) return std::nullopt;
      return n;
    };
    const auto star = [&]() -> std::optional<int> {
      ++i;
      after_index = false;
      if (next >= values.size()) return std::nullopt;
      const GoValue& v = values[next++];
      if (!v.is_integer() || v.integer() > kMaxWidth || v.integer() < -kMaxWidth)
        return std::nullopt;
      return static_cast<int>(v.integer());
    };
    index();
    if (i < format.size() && format[i] == '*') {
      spec.width = star();
      if (!spec.width) out_.add("%!(BADWIDTH)");
      if (spec.width && *spec.width < 0) {
        spec.width = -*spec.width;
        spec.minus = true;
        spec.zero = false;
      }
    } else {
      spec.width = digits();
      if (after_index && spec.width) good_index = false;  // "%[3]2d"
    }
    if (i + 1 <= format.size() && i < format.size() && format[i] == '.') {
      ++i;
      if (after_index) good_index = false;  // "%[3].2d"
      index();
      if (i < format.size() && format[i] == '*') {
        spec.precision = star();
        if (spec.precision && *spec.precision < 0) {
          spec.precision.reset();
          out_.add("%!(BADPREC)");
        } else if (!spec.precision) {
          out_.add("%!(BADPREC)");
        }
      } else {
        spec.precision = digits().value_or(0);
      }
    }
    if (!after_index) index();
    reordered |= reordered_here;
    if (i >= format.size()) {
      out_.add("%!(NOVERB)");
      break;
    }
    const CodePoint verb = decode_utf8(format.substr(i));
    i += verb.length;
    spec.verb = verb.value;
    if (verb.value == '%') {
      out_.add('%');
      continue;
    }
    const auto note = [&](std::string_view what) {
      out_.add("%!");
      out_.add_rune(verb.value);
      out_.add(what);
    };
    if (!good_index) {
      note("(BADINDEX)");
      continue;
    }
    if (next >= values.size()) {
      note("(MISSING)");
      continue;
    }
    const GoValue& v = values[next++];
    if (verb.value == 'T') {
      Spec text = spec;
      text.verb = 's';
      text.precision.reset();
      pad(go_type_name(v.type()), text);
      continue;
    }
    if (verb.value == 'v') {
      spec.sharp_v = spec.sharp;
      spec.plus_v = spec.plus;
      spec.sharp = spec.plus = false;
    }
    value(v, spec, 0);
  }
  if (!reordered && next < values.size()) {
    out_.add("%!(EXTRA ");
    for (std::size_t n = next; n < values.size(); ++n) {
      if (n > next) out_.add(", ");
      if (!values[n].is_nil()) {
        out_.add(go_type_name(values[n].type()));
        out_.add('=');
      }
      value(values[n], Spec(), 0);
    }
    out_.add(')');
  }
}

}  // namespace

void GoText::add_rune(char32_t c) {
  std::string text;
  append_utf8(text, c);
  add(text);
}

void go_print(GoText& out, const GoValue& value, GoScratch& scratch) {
  if (value.is_string()) return out.add(value.string());
  Printer(out, scratch).value(value, Spec(), 0);
}

void go_print_all(GoText& out, std::span<const GoValue> values, GoScratch& scratch) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && !values[i].is_string() && !values[i - 1].is_string()) out.add(' ');
    go_print(out, values[i], scratch);
  }
}

void go_printf(GoText& out, std::string_view format, std::span<const GoValue> values,
               GoScratch& scratch) {
  Printer(out, scratch).printf(format, values);
}

void go_quote(GoText& out, std::string_view text, char quote, bool ascii_only) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto hex = [&](char32_t value, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
      out.add(kHex[(value >> shift) & 15U]);
  };
  out.add(quote);
  while (!text.empty() && !out.full()) {
    const CodePoint c = decode_utf8(text);
    const std::string_view bytes = text.substr(0, c.length);
    text.remove_prefix(c.length);
    if (!c.valid) {
      out.add("\\x");
      hex(static_cast<unsigned char>(bytes[0]), 2);
    } else if (c.value == static_cast<unsigned char>(quote) || c.value == '\\') {
      out.add('\\');
      out.add(static_cast<char>(c.value));
    } else if (go_is_print(c.value) && (!ascii_only || c.value < 0x80)) {
      out.add(bytes);
    } else {
      constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
      constexpr std::string_view kLetters = "abfnrtv";
      const std::size_t at =
          c.value < 0x80 ? kControls.find(static_cast<char>(c.value)) : std::string_view::npos;
      if (at != std::string_view::npos) {
        out.add('\\');
        out.add(kLetters[at]);
      } else if (c.value < ' ' || c.value == 0x7F) {
        out.add("\\x");
        hex(c.value, 2);
      } else if (c.value < 0x10000) {
        out.add("\\u");
        hex(c.value, 4);
      } else {
        out.add("\\U");
        hex(c.value, 8);
      }
    }
  }
  out.add(quote);
}

void go_float(std::string& out, double value, char format, int precision) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
    return;
  }
  std::array<char, 1600>
      buffer;  // a double has 309 digits before the point; 1100 behind it at most
  char* const first = buffer.data();
  char* const last = first + buffer.size();
  if (format == 'f' || format == 'F') {
    const auto end =
        precision < 0 ? std::to_chars(first, last, value, std::chars_format::fixed).ptr
                      : std::to_chars(first, last, value, std::chars_format::fixed, precision).ptr;
    out.append(first, end);
    return;
  }
  const bool general = format == 'g' || format == 'G';
  const bool shortest = precision < 0;
  if (general && precision == 0) precision = 1;
  const auto end = shortest ? std::to_chars(first, last, value, std::chars_format::scientific).ptr
                            : std::to_chars(first, last, value, std::chars_format::scientific,
                                            general ? precision - 1 : precision)
                                  .ptr;
  const std::string_view text(first, static_cast<std::size_t>(end - first));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t sign = text[e + 1] == '+' ? 1 : 0;
  std::from_chars(text.data() + e + 1 + sign, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  if (value < 0 || std::signbit(value)) out += '-';
  if (general) {
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
    int threshold = shortest ? 6 : precision;
    if (!shortest && threshold > static_cast<int>(digits.size()) &&
        static_cast<int>(digits.size()) >= exponent + 1)
      threshold = static_cast<int>(digits.size());
    if (exponent >= -4 && exponent < threshold) {
      const int point = exponent + 1;
      if (point <= 0) {
        out += "0.";
        out.append(static_cast<std::size_t>(-point), '0');
        out += digits;
      } else if (digits.size() <= static_cast<std::size_t>(point)) {
        out += digits;
        out.append(static_cast<std::size_t>(point) - digits.size(), '0');
      } else {
        out.append(digits, 0, static_cast<std::size_t>(point));
        out += '.';
        out.append(digits, static_cast<std::size_t>(point), std::string::npos);
      }
      return;
    }
  }
  out += digits[0];
  if (digits.size() > 1) {
    out += '.';
    out.append(digits, 1, std::string::npos);
  }
  out += format == 'E' || format == 'G' ? 'E' : 'e';
  out += exponent < 0 ? '-' : '+';
  const int magnitude = std::abs(exponent);
  if (magnitude < 10) out += '0';
  out += std::to_string(magnitude);
}

bool go_is_print(char32_t c) {
  if (c < 0x80) return c >= ' ' && c < 0x7F;
  if (is_letter(c) || is_digit(c)) return true;
  if (is_space(c)) return false;
  static const locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return unicode != nullptr && iswprint_l(static_cast<wint_t>(c), unicode) != 0;
}

}  // namespace agent::wire
