#include <array>

#include "agent/lang/functions.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Result<std::string> one_text(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 1); !counted) return fail(std::move(counted).error());
  return text_argument(arguments, 0);
}

Result<Value> encode64(const Arguments& arguments, std::string_view alphabet) {
  const auto text = one_text(arguments);
  if (!text) return fail(text.error());
  std::string out;
  out.reserve(text->size() * 4 / 3 + 4);
  for (std::size_t i = 0; i < text->size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, text->size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < have ? static_cast<unsigned char>((*text)[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= have ? alphabet[(group >> (18 - 6 * k)) & 63] : '=';
  }
  if (out.size() > kMaxTextBytes) return too_large();
  return Value(std::move(out));
}

// With padding, as Go's StdEncoding and URLEncoding; line ends are skipped.
Result<Value> decode64(const Arguments& arguments, std::string_view alphabet) {
  const auto text = one_text(arguments);
  if (!text) return fail(text.error());
  std::array<std::int8_t, 256> digits;
  digits.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  const auto illegal = [](std::size_t at) {
    return fail(ErrorCode::kInvalid, "illegal base64 data at byte " + std::to_string(at));
  };
  std::string out;
  unsigned group = 0;
  int have = 0;
  int padding = 0;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const char c = (*text)[i];
    if (c == '\r' || c == '\n') continue;
    if (c == '=') {
      if (have + padding < 2 || have + padding >= 4) return illegal(i);
      ++padding;
      continue;
    }
    const int digit = digits[static_cast<unsigned char>(c)];
    if (digit < 0 || padding > 0) return illegal(i);
    group = group << 6 | static_cast<unsigned>(digit);
    if (++have == 4) {
      out += static_cast<char>(group >> 16);
      out += static_cast<char>(group >> 8 & 0xFF);
      out += static_cast<char>(group & 0xFF);
      have = 0;
      group = 0;
    }
  }
  if ((have != 0 || padding != 0) && have + padding != 4) return illegal(text->size());
  if (have == 2) out += static_cast<char>(group >> 4);
  if (have == 3) {
    out += static_cast<char>(group >> 10);
    out += static_cast<char>(group >> 2 & 0xFF);
  }
  return Value(std::move(out));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Value> encoding_from_base64(const Arguments& arguments) {
  return decode64(arguments, kStandard);
}
Result<Value> encoding_from_url_base64(const Arguments& arguments) {
  return decode64(arguments, kUrl);
}
Result<Value> encoding_to_base64(const Arguments& arguments) {
  return encode64(arguments, kStandard);
}
Result<Value> encoding_to_url_base64(const Arguments& arguments) {
  return encode64(arguments, kUrl);
}

// Go's url.QueryEscape: a blank becomes "+".
Result<Value> encoding_url_encode(const Arguments& arguments) {
  const auto text = one_text(arguments);
  if (!text) return fail(text.error());
  std::string out;
  for (const char c : *text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  if (out.size() > kMaxTextBytes) return too_large();
  return Value(std::move(out));
}

Result<Value> encoding_url_decode(const Arguments& arguments) {
  const auto text = one_text(arguments);
  if (!text) return fail(text.error());
  std::string out;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const char c = (*text)[i];
    if (c == '+') {
      out += ' ';
    } else if (c == '%') {
      const int high = i + 1 < text->size() ? hex_digit((*text)[i + 1]) : -1;
      const int low = i + 2 < text->size() ? hex_digit((*text)[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(ErrorCode::kInvalid, "invalid URL escape \"" + text->substr(i, 3) + "\"");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += c;
    }
  }
  return Value(std::move(out));
}

Result<Value> convert_nonsensitive(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 1); !counted) return fail(std::move(counted).error());
  // A string is as good as a secret.
  if (arguments[0].kind() == Kind::kSecret) return Value(arguments[0].secret().reveal());
  auto text = text_argument(arguments, 0);
  if (!text) return wrong_argument(0, "secret", arguments[0]);
  return Value(std::move(*text));
}

}  // namespace agent::lang
