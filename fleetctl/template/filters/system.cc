// Filters on paths, hashes, encodings, dates.
#include <crypt.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "agent/base/clock.h"
#include "agent/base/strings.h"
#include "agent/base/wiped.h"
#include "agent/model/jmespath.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/moments.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Outcome<Value> text(std::string s) { return Value::string(std::move(s)); }

Outcome<Value> b64encode(Call& c) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  if (s.size() > (32U << 20)) return problem(ProblemKind::kLimit, "the text is too large");
  std::string out((s.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(s.data()), static_cast<int>(s.size()));
  out.resize(static_cast<std::size_t>(std::max(0, size)));
  return text(std::move(out));
}

Outcome<Value> b64decode(Call& c) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t digits = 0;
  bool padded = false;
  for (const char ch : s) {
    int digit = -1;
    if (ch >= 'A' && ch <= 'Z') digit = ch - 'A';
    if (ch >= 'a' && ch <= 'z') digit = ch - 'a' + 26;
    if (ch >= '0' && ch <= '9') digit = ch - '0' + 52;
    if (ch == '+') digit = 62;
    if (ch == '/') digit = 63;
    if (ch == '=') padded = true;
    if (padded || digit < 0) continue;  // Python skips what is not of the alphabet
    ++digits;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xffU);
    }
  }
  if (digits % 4 == 1 || (digits % 4 != 0 && !padded)) return bad("Incorrect padding");
  if (!agent::is_valid_utf8(out)) return bad("the decoded bytes are not UTF-8 text");
  return text(std::move(out));
}

Outcome<std::string> digest(const std::string& data, const std::string& name) {
  std::string known = name;  // by OpenSSL
  if (name == "blake2b") known = "blake2b512";
  if (name == "blake2s") known = "blake2s256";
  if (name.rfind("sha3_", 0) == 0) known[4] = '-';
  const EVP_MD* kind = EVP_get_digestbyname(known.c_str());
  if (kind == nullptr) return bad("unsupported hash type " + name);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), bytes.data(), &size, kind, nullptr) != 1) {
    return bad("hashing with " + name + " failed");
  }
  return agent::to_hex({reinterpret_cast<const char*>(bytes.data()), size});
}
Outcome<Value> hash_with(Call& c, const std::string& name) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  TEMPLATE_TRY(hex, digest(s, name));
  return text(std::move(hex));
}
Outcome<Value> hash(Call& c) {
  TEMPLATE_TRY(name, c.text(0, "sha1"));
  return hash_with(c, name);
}
Outcome<Value> md5(Call& c) { return hash_with(c, "md5"); }
Outcome<Value> sha1(Call& c) { return hash_with(c, "sha1"); }

// A version 5 UUID in Ansible's own name space, or in the one given.
Outcome<Value> to_uuid(Call& c) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  TEMPLATE_TRY(space, c.text(0, "361E6D51-FAEC-444A-9079-341386DA8E2E"));
  std::string bytes;
  std::string hex;
  for (const char ch : space) {
    if (ch != '-') hex += ch;
  }
  const auto digit = [](char ch) {
    if (ch >= '0' && ch <= '9') return ch - '0';
    if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
    if (ch >= 'A' && ch <= 'F') return ch - 'A' + 10;
    return -1;
  };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (digit(hex[i]) < 0 || digit(hex[i + 1]) < 0) break;
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  if (bytes.size() != 16 || hex.size() != 32)
    return bad("Invalid value '" + space + "' for 'namespace'");
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned int size = 0;
  const std::string data = bytes + s;
  if (EVP_Digest(data.data(), data.size(), sum.data(), &size, EVP_sha1(), nullptr) != 1)
    return bad("hashing failed");
  sum[6] = static_cast<unsigned char>((sum[6] & 0x0fU) | 0x50U);
  sum[8] = static_cast<unsigned char>((sum[8] & 0x3fU) | 0x80U);
  const std::string out = agent::to_hex({reinterpret_cast<const char*>(sum.data()), 16});
  return text(out.substr(0, 8) + "-" + out.substr(8, 4) + "-" + out.substr(12, 4) + "-" +
              out.substr(16, 4) + "-" + out.substr(20));
}

// Python's functions for paths take text only.
Outcome<std::string> path_of(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  if (!c.input.is_string())
    return bad("expected str, bytes or os.PathLike object, not " +
               std::string(value::type_name(c.input)));
  return c.input.as_string();
}

Outcome<Value> basename(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  return text(s.substr(s.rfind('/') + 1));
}
Outcome<Value> dirname(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  std::string head = s.substr(0, s.rfind('/') + 1);
  const std::size_t last = head.find_last_not_of('/');
  if (last != std::string::npos) head.resize(last + 1);
  return text(std::move(head));
}
Outcome<Value> splitext(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  const std::size_t base = s.rfind('/') + 1;
  const std::size_t first = s.find_first_not_of('.', base);
  const std::size_t dot = s.rfind('.');
  if (dot == std::string::npos || first == std::string::npos || dot < first) {
    return Value::tuple({Value::string(s), Value::string("")});
  }
  return Value::tuple({Value::string(s.substr(0, dot)), Value::string(s.substr(dot))});
}
Outcome<Value> win_basename(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  const std::size_t at = s.find_last_of("\\/");
  const std::size_t drive = s.size() > 1 && s[1] == ':' ? 2 : 0;
  return text(s.substr(at == std::string::npos ? drive : at + 1));
}
Outcome<Value> win_dirname(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  const std::size_t at = s.find_last_of("\\/");
  std::string head = at == std::string::npos ? (s.size() > 1 && s[1] == ':' ? s.substr(0, 2) : "")
                                             : s.substr(0, at + 1);
  const std::size_t last = head.find_last_not_of("\\/");
  if (last != std::string::npos && !(last == 1 && head[1] == ':')) head.resize(last + 1);
  return text(std::move(head));
}
Outcome<Value> win_splitdrive(Call& c) {
  TEMPLATE_TRY(s, path_of(c));
  const std::size_t drive = s.size() > 1 && s[1] == ':' ? 2 : 0;
  return Value::tuple({Value::string(s.substr(0, drive)), Value::string(s.substr(drive))});
}
Outcome<Value> path_join(Call& c) {
  std::vector<Value> parts{c.input};
  if (c.input.is_sequence()) parts = c.input.items();
  if (parts.empty()) return bad("|path_join expects at least one part");
  std::string out;
  for (const Value& part : parts) {
    TEMPLATE_CHECK(c.in.require(part));
    if (!part.is_string()) return bad("|path_join expects string or sequence of strings");
    const std::string& s = part.as_string();
    if (!s.empty() && s[0] == '/') {
      out = s;
    } else if (out.empty() || out.back() == '/') {
      out += s;
    } else {
      out += "/" + s;
    }
  }
  return text(std::move(out));
}

// Removes "." and "x/.." from a path without asking the file system.
std::string normalized(const std::string& path) {
  const bool absolute = !path.empty() && path[0] == '/';
  std::vector<std::string_view> parts;
  for (const std::string_view part : agent::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !absolute) {
      parts.push_back(part);
    }
  }
  std::string out = absolute ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return out.empty() ? "." : out;
}
Outcome<Value> normpath(Call& c) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  return text(normalized(s));
}
Outcome<Value> relpath(Call& c) {
  TEMPLATE_TRY(s, c.in.text_of(c.input));
  TEMPLATE_TRY(start, c.text(0, ""));
  if (s.empty() || s[0] != '/' || start.empty() || start[0] != '/')
    return bad("expects absolute paths");
  const std::string from = normalized(start);
  const std::string to = normalized(s);
  std::vector<std::string_view> a;
  std::vector<std::string_view> b;
  for (const std::string_view part : agent::split(from, '/')) {
    if (!part.empty()) a.push_back(part);
  }
  for (const std::string_view part : agent::split(to, '/')) {
    if (!part.empty()) b.push_back(part);
  }
  std::size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
  std::string out;
  for (std::size_t i = same; i < a.size(); ++i) out += out.empty() ? ".." : "/..";
  for (std::size_t i = same; i < b.size(); ++i) out += (out.empty() ? "" : "/") + std::string(b[i]);
  return text(out.empty() ? "." : std::move(out));
}

// {{ '%Y' | strftime(seconds, utc) }}
Outcome<Value> strftime(Call& c) {
  TEMPLATE_TRY(format, c.in.text_of(c.input));
  if (format.size() > 1000) return bad("the format is too long");
  std::time_t seconds = 0;
  if (c.given(0)) {
    const Value& v = *c.args[0];
    double given = 0;
    if (v.is_number()) {
      given = value::number_of(v);
    } else if (const auto literal =
                   v.is_string() ? value::parse_literal(v.as_string()) : std::nullopt;
               literal && literal->is_number()) {
      given = value::number_of(*literal);
    } else {
      return bad("Invalid value for epoch value (" + value::str(v, 200) + ")");
    }
    if (!(given > -1e15 && given < 1e15)) return bad("the time is out of range");
    seconds = static_cast<std::time_t>(given);
  } else {
    if (c.in.world().clock == nullptr) return bad("the present time is not available here");
    seconds = static_cast<std::time_t>(c.in.world().clock->wall_ns() / 1'000'000'000);
  }
  std::tm parts{};
  if (c.flag(1, false)) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  return text(format_time(format, parts));
}

// {{ '2024-01-31 10:00:00' | to_datetime }}
Outcome<Value> to_datetime(Call& c) {
  TEMPLATE_TRY(written, path_of(c));
  TEMPLATE_TRY(format, c.text(0, "%Y-%m-%d %H:%M:%S"));
  return parse_moment(written, format);
}

// crypt(3). Ansible takes the same where Python has no passlib.
Outcome<Value> password_hash(Call& c) {
  TEMPLATE_TRY(password, c.in.text_of(c.input));
  TEMPLATE_TRY(kind, c.text(0, "sha512"));
  TEMPLATE_TRY(salt, c.text(1, ""));
  TEMPLATE_TRY(rounds, c.integer(3, 0));
  struct Method {
    std::string_view name;
    char id;
    std::size_t salt;
    std::int64_t preset;
  };
  static constexpr std::array<Method, 6> kMethods{{{"sha512", '6', 16, 656000},
                                                   {"sha512_crypt", '6', 16, 656000},
                                                   {"sha256", '5', 16, 535000},
                                                   {"sha256_crypt", '5', 16, 535000},
                                                   {"md5", '1', 8, 0},
                                                   {"md5_crypt", '1', 8, 0}}};
  const auto* method = std::find_if(kMethods.begin(), kMethods.end(),
                                    [&](const Method& m) { return m.name == kind; });
  if (method == kMethods.end())
    return bad("'" + kind + "' is not supported; sha512, sha256 and md5 are");
  if (salt.empty())
    return bad("it needs a salt: with a random one the file would differ in every run");
  if (salt.find_first_not_of("./0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
      std::string::npos)
    return bad("invalid characters in salt");
  if (salt.size() > method->salt) return bad("invalid salt size");
  if (rounds < 0 || rounds > 10'000'000) return bad("rounds must be between 1000 and 10000000");
  std::string setting = std::string("$") + method->id;
  if (rounds != 0 && rounds != method->preset) setting += "$rounds=" + std::to_string(rounds);
  setting += "$" + salt;
  const auto data = std::make_unique<crypt_data>();
  const char* hashed = crypt_r(password.c_str(), setting.c_str(), data.get());
  agent::wipe(password);
  if (hashed == nullptr || hashed[0] == '*') return bad("crypt cannot do this");
  return text(hashed);
}

// A JMESPath expression on the value as JSON.
Outcome<Value> json_query(Call& c) {
  TEMPLATE_CHECK(c.in.require_deep(c.input));
  TEMPLATE_TRY(expression, c.text(0, ""));
  value::JsonFormat format;
  format.ascii = false;
  const auto written = value::to_json(c.input, format);
  if (!written) return bad(written.error().message);
  TEMPLATE_CHECK(c.in.charge(written->size()));
  const auto query = agent::model::JmesPath::compile(expression);
  if (!query) return bad(query.error().message);
  const auto document = agent::model::Json::parse(*written);
  if (!document) return bad(document.error().message);
  const auto found = query->search(*document);
  if (!found) return bad(found.error().message);
  std::string out;
  if (!found->append_text(out, c.in.world().limits.output_bytes))
    return problem(ProblemKind::kLimit, "the result is too large");
  auto made = value::parse_json(out);
  if (!made) return bad(made.error().message);
  return std::move(*made);
}

constexpr std::array kRows{
    FilterRow{"b64encode", b64encode, "encoding"},
    FilterRow{"b64decode", b64decode, "encoding"},
    FilterRow{"hash", hash, "hashtype"},
    FilterRow{"md5", md5, ""},
    FilterRow{"sha1", sha1, ""},
    FilterRow{"checksum", sha1, ""},
    FilterRow{"to_uuid", to_uuid, "namespace"},
    FilterRow{"basename", basename, ""},
    FilterRow{"dirname", dirname, ""},
    FilterRow{"splitext", splitext, ""},
    FilterRow{"win_basename", win_basename, ""},
    FilterRow{"win_dirname", win_dirname, ""},
    FilterRow{"path_join", path_join, ""},
    FilterRow{"normpath", normpath, ""},
    FilterRow{"relpath", relpath, "start"},
    FilterRow{"to_datetime", to_datetime, "format"},
    FilterRow{"password_hash", password_hash, "hashtype salt salt_size rounds ident"},
    FilterRow{"json_query", json_query, "expr"},
    FilterRow{"win_splitdrive", win_splitdrive, ""},
    FilterRow{"strftime", strftime, "second utc"},
};

}  // namespace

std::span<const FilterRow> system_filters() { return kRows; }

}  // namespace fleetctl::template_
