// Hashes, base64 and base32, JSON, URLs; and what is refused.
#include <openssl/evp.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/wire/go_functions.h"
#include "agent/wire/json.h"

namespace agent::wire {
namespace {

constexpr int kMaxDepth = 64;

// ---- hashes ----

GoValue digest(GoRun& run, const EVP_MD* algorithm, std::string_view first,
               std::string_view second = {}) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const bool good = context != nullptr && EVP_DigestInit_ex(context, algorithm, nullptr) == 1 &&
                    EVP_DigestUpdate(context, first.data(), first.size()) == 1 &&
                    EVP_DigestUpdate(context, second.data(), second.size()) == 1 &&
                    EVP_DigestFinal_ex(context, bytes.data(), &size) == 1;
  EVP_MD_CTX_free(context);
  if (!good || !run.charge_bytes((first.size() + second.size()) * 8))
    return run.fail("the hash failed");
  return run.string(to_hex({reinterpret_cast<const char*>(bytes.data()), size}));
}
GoValue hash(GoRun& run, GoArguments a) {
  return digest(run, EVP_sha3_256(), a[0].string(), a[1].string());
}
GoValue sha2_hash(GoRun& run, GoArguments a) {
  return digest(run, EVP_sha256(), a[0].string(), a[1].string());
}
GoValue sha1sum(GoRun& run, GoArguments a) { return digest(run, EVP_sha1(), a[0].string()); }
GoValue sha256sum(GoRun& run, GoArguments a) { return digest(run, EVP_sha256(), a[0].string()); }
GoValue sha512sum(GoRun& run, GoArguments a) { return digest(run, EVP_sha512(), a[0].string()); }
GoValue adler32sum(GoRun& run, GoArguments a) {
  std::uint32_t low = 1;
  std::uint32_t high = 0;
  for (const char c : a[0].string()) {
    low = (low + static_cast<unsigned char>(c)) % 65521;
    high = (high + low) % 65521;
  }
  return run.string(std::to_string((high << 16) | low));
}

// ---- base64, base32 ----

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// `bits` a letter, groups of `group` letters filled up with "=".
GoValue encoded(GoRun& run, std::string_view text, std::string_view letters, unsigned bits,
                std::size_t group) {
  GoText& out = run.text();
  std::uint32_t value = 0;
  unsigned held = 0;
  std::size_t written = 0;
  const auto put = [&](std::uint32_t letter) {
    out.add(letters[letter & ((1U << bits) - 1)]);
    ++written;
  };
  for (const char c : text) {
    value = (value << 8) | static_cast<unsigned char>(c);
    held += 8;
    while (held >= bits) {
      held -= bits;
      put(value >> held);
    }
  }
  if (held > 0) put(value << (bits - held));
  while (written % group != 0) {
    out.add('=');
    ++written;
  }
  return run.finish_text();
}

// The error, as Go words it, is the value.
GoValue corrupt(GoRun& run, std::string_view name, std::size_t at) {
  return run.string("illegal " + std::string(name) + " data at input byte " + std::to_string(at));
}
bool is_newline(char c) { return c == '\n' || c == '\r'; }

// Letters to bytes.
struct Bits {
  std::string out;
  std::uint32_t value = 0;
  unsigned held = 0;
  void take(std::size_t letter, unsigned bits) {
    value = (value << bits) | static_cast<std::uint32_t>(letter);
    held += bits;
    if (held < 8) return;
    held -= 8;
    out += static_cast<char>((value >> held) & 0xFF);
  }
};

GoValue b64dec(GoRun& run, GoArguments a) {
  const std::string_view text = a[0].string();
  Bits bits;
  std::size_t in_group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_newline(text[i])) continue;
    if (text[i] == '=') {
      // The rest of the group is padding, and nothing follows it.
      if (in_group < 2) return corrupt(run, "base64", i);
      std::size_t missing = 4 - in_group;
      for (; i < text.size(); ++i) {
        if (is_newline(text[i])) continue;
        if (missing == 0 || text[i] != '=') return corrupt(run, "base64", i);
        --missing;
      }
      return missing == 0 ? run.string(bits.out) : corrupt(run, "base64", text.size());
    }
    const std::size_t letter = kBase64.find(text[i]);
    if (letter == std::string_view::npos) return corrupt(run, "base64", i);
    bits.take(letter, 6);
    in_group = (in_group + 1) % 4;
  }
  return in_group == 0 ? run.string(bits.out) : corrupt(run, "base64", text.size() - in_group);
}

// Counts its errors' places without line ends, and looks no further than the padding needs.
GoValue b32dec(GoRun& run, GoArguments a) {
  std::string text;
  for (const char c : a[0].string())
    if (!is_newline(c)) text += c;
  Bits bits;
  std::size_t in_group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t behind = text.size() - i - 1;
    if (text[i] == '=' && in_group >= 2 && behind < 8) {
      if (behind + in_group < 7) return corrupt(run, "base32", text.size());
      for (std::size_t k = 0; k < 7 - in_group; ++k)
        if (text[i + 1 + k] != '=') return corrupt(run, "base32", i + k);
      if (in_group == 3 || in_group == 6) return corrupt(run, "base32", i);
      return run.string(bits.out);
    }
    const std::size_t letter = kBase32.find(text[i]);
    if (letter == std::string_view::npos) return corrupt(run, "base32", i);
    bits.take(letter, 5);
    in_group = (in_group + 1) % 8;
  }
  return in_group == 0 ? run.string(bits.out) : corrupt(run, "base32", text.size() - in_group);
}
GoValue b64enc(GoRun& run, GoArguments a) { return encoded(run, a[0].string(), kBase64, 6, 4); }
GoValue b32enc(GoRun& run, GoArguments a) { return encoded(run, a[0].string(), kBase32, 5, 8); }

// ---- JSON ----

struct JsonStyle {
  bool escapes_html = true;
  bool pretty = false;
};

void write_json_text(GoText& out, std::string_view text, const JsonStyle& style) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.add('"');
  while (!text.empty() && !out.full()) {
    const CodePoint c = decode_utf8(text);
    const std::string_view bytes = text.substr(0, c.length);
    text.remove_prefix(c.length);
    constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
    constexpr std::string_view kLetters = "\"\\bfnrt";
    const std::size_t at =
        c.value < 0x80 ? kEscaped.find(static_cast<char>(c.value)) : std::string_view::npos;
    const bool html = style.escapes_html && (c.value == '<' || c.value == '>' || c.value == '&');
    if (at != std::string_view::npos) {
      out.add('\\');
      out.add(kLetters[at]);
    } else if (!c.valid) {
      out.add("\\ufffd");
    } else if (c.value < ' ' || html || c.value == 0x2028 || c.value == 0x2029) {
      out.add("\\u");
      for (int shift = 12; shift >= 0; shift -= 4) out.add(kHex[(c.value >> shift) & 15U]);
    } else {
      out.add(bytes);
    }
  }
  out.add('"');
}

void write_json_number(GoText& out, double value) {
  const double size = std::abs(value);
  std::string text;
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    go_float(text, value, 'e', -1);
    // "1e-09" is "1e-9".
    const std::size_t e = text.find("e-0");
    if (e != std::string::npos && e + 4 == text.size()) text.erase(e + 2, 1);
  } else {
    go_float(text, value, 'f', -1);
  }
  out.add(text);
}

// False when there is no JSON for it.
bool write_json(GoRun& run, GoText& out, const GoValue& value, const JsonStyle& style, int depth) {
  if (depth > kMaxDepth || out.full()) return false;
  const auto line = [&](int level) {
    if (!style.pretty) return;
    out.add('\n');
    out.add(2 * static_cast<std::size_t>(level), ' ');
  };
  if (value.is_list()) {
    const auto items = value.list();
    if (items.data() == nullptr) {
      out.add("null");
      return true;
    }
    out.add('[');
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.add(',');
      line(depth + 1);
      if (!write_json(run, out, items[i], style, depth + 1)) return false;
    }
    if (!items.empty()) line(depth);
    out.add(']');
    return true;
  }
  if (value.is_map()) {
    const auto pairs = value.map().pairs(run.scratch());
    out.add('{');
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (i > 0) out.add(',');
      line(depth + 1);
      write_json_text(out, pairs[i].key, style);
      out.add(style.pretty ? ": " : ":");
      if (!write_json(run, out, pairs[i].value, style, depth + 1)) return false;
    }
    if (!pairs.empty()) line(depth);
    out.add('}');
    return true;
  }
  switch (value.type()) {
    case GoType::kNil:
      out.add("null");
      return true;
    case GoType::kBool:
      out.add(value.boolean() ? "true" : "false");
      return true;
    case GoType::kFloat:
      if (!std::isfinite(value.number())) return false;
      write_json_number(out, value.number());
      return true;
    case GoType::kString:
      write_json_text(out, value.string(), style);
      return true;
    case GoType::kTime: {
      std::string text;
      append_time(text, "2006-01-02T15:04:05.999999999Z07:00", value.time().seconds,
                  value.time().nanoseconds, *value.time().zone);
      write_json_text(out, text, style);
      return true;
    }
    default:
      out.add(std::to_string(value.integer()));
      return true;
  }
}

// nullopt, not failed, where there is no JSON for the value.
std::optional<GoValue> json_text(GoRun& run, const GoValue& value, const JsonStyle& style) {
  GoText& out = run.text();
  const bool good = write_json(run, out, value, style, 0);
  if (!good && !out.full()) return std::nullopt;
  return run.finish_text();
}
GoValue json_or(GoRun& run, const GoValue& value, const JsonStyle& style, bool must) {
  if (const auto text = json_text(run, value, style)) return *text;
  return must ? run.fail("the value has no JSON") : GoValue(std::string_view());
}
GoValue to_json(GoRun& run, GoArguments a) { return json_or(run, a[0], {}, false); }
GoValue must_to_json(GoRun& run, GoArguments a) { return json_or(run, a[0], {}, true); }
GoValue to_pretty_json(GoRun& run, GoArguments a) {
  return json_or(run, a[0], {true, true}, false);
}
GoValue must_to_pretty_json(GoRun& run, GoArguments a) {
  return json_or(run, a[0], {true, true}, true);
}
GoValue to_raw_json(GoRun& run, GoArguments a) { return json_or(run, a[0], {false, false}, true); }

GoValue from_node(GoRun& run, const JsonNode& node) {
  if (run.failed() || !run.charge(1)) return {};
  switch (node.kind()) {
    case JsonNode::Kind::kNull:
      return {};
    case JsonNode::Kind::kBool:
      return GoValue(node.boolean());
    case JsonNode::Kind::kInt:
    case JsonNode::Kind::kUint:
    case JsonNode::Kind::kDouble:
      return GoValue(node.number());
    case JsonNode::Kind::kString:
      return run.string(node.string());
    case JsonNode::Kind::kArray: {
      const auto elements = node.elements();
      GoValue* const items = run.array(elements.size());
      if (items == nullptr) return {};
      for (std::size_t i = 0; i < elements.size(); ++i) items[i] = from_node(run, elements[i]);
      return run.list(items, elements.size());
    }
    case JsonNode::Kind::kObject: {
      const GoValue out = run.map();
      for (const auto& [key, member] : node.members()) {
        if (run.failed()) break;
        run.set(out.map(), run.scratch().store(key), from_node(run, member));
      }
      return out;
    }
  }
  return {};
}
GoValue from_json(GoRun& run, GoArguments a) {
  JsonDocument document;
  const auto root = document.parse(a[0].string());
  return root ? from_node(run, *root) : GoValue();
}
GoValue must_from_json(GoRun& run, GoArguments a) {
  JsonDocument document;
  const auto root = document.parse(a[0].string());
  return root ? from_node(run, *root) : run.fail("the text is no JSON");
}

// ---- URLs (Go's net/url) ----

enum class UrlPart { kPath, kFragment, kUser, kHost };

bool url_plain(char c, UrlPart part) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
      c == '_' || c == '.' || c == '~')
    return true;
  switch (part) {
    case UrlPart::kPath:
      return std::string_view("$&+,/:;=@").find(c) != std::string_view::npos;
    case UrlPart::kFragment:
      return std::string_view("$&+,/:;=?@!()*").find(c) != std::string_view::npos;
    case UrlPart::kUser:
      return std::string_view("$&+,;=").find(c) != std::string_view::npos;
    case UrlPart::kHost:
      return std::string_view("!$&'()*+,;=:[]<>\"").find(c) != std::string_view::npos ||
             static_cast<unsigned char>(c) >= 0x80;
  }
  return false;
}
void url_escape(std::string& out, std::string_view text, UrlPart part) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    if (url_plain(c, part)) {
      out += c;
      continue;
    }
    out += '%';
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15U];
  }
}
// nullopt for an escape that is none.
std::optional<std::string> url_unescape(std::string_view text) {
  std::string out;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

struct Url {
  std::string scheme, opaque, host, hostname, path, query, fragment, userinfo;
};

std::optional<std::string> normal_userinfo(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto user = url_unescape(text.substr(0, colon));
  if (!user) return std::nullopt;
  std::string out;
  url_escape(out, *user, UrlPart::kUser);
  if (colon == std::string_view::npos) return out;
  const auto password = url_unescape(text.substr(colon + 1));
  if (!password) return std::nullopt;
  out += ':';
  url_escape(out, *password, UrlPart::kUser);
  return out;
}

// Empty when it is well-formed, else what is wrong.
std::string parse_url(std::string_view text, Url& out) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "a control character";
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    auto fragment = url_unescape(text.substr(hash + 1));
    if (!fragment) return "a wrong escape";
    out.fragment = std::move(*fragment);
    text = text.substr(0, hash);
  }
  if (text == "*") {
    out.path = "*";
    return "";
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == ':') {
      if (i == 0) return "the scheme is missing";
      for (const char s : text.substr(0, i))
        out.scheme += static_cast<char>(s >= 'A' && s <= 'Z' ? s + 32 : s);
      text.remove_prefix(i + 1);
      break;
    }
    const bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!letter && (!later || i == 0)) break;
  }
  if (const std::size_t question = text.find('?'); question != std::string_view::npos) {
    out.query = std::string(text.substr(question + 1));
    text = text.substr(0, question);
  }
  if (!text.starts_with('/')) {
    if (!out.scheme.empty()) {
      out.opaque = std::string(text);
      return "";
    }
    if (text.substr(0, text.find('/')).find(':') != std::string_view::npos)
      return "the first part of the path holds a colon";
  }
  if (text.starts_with("//") && (!out.scheme.empty() || !text.starts_with("///"))) {
    const std::size_t slash = std::min(text.find('/', 2), text.size());
    std::string_view authority = text.substr(2, slash - 2);
    text = text.substr(slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      auto user = normal_userinfo(authority.substr(0, at));
      if (!user ||
          authority.substr(0, at).find_first_of(" \"<>^`{|}#[]\\/?") != std::string_view::npos)
        return "wrong user information";
      out.userinfo = std::move(*user);
      authority.remove_prefix(at + 1);
    }
    if (authority.find_first_of(" \\^`{|}%#/?") != std::string_view::npos) return "a wrong host";
    const std::size_t bracket = authority.rfind(']');
    if (authority.starts_with('[') && bracket == std::string_view::npos) return "a wrong host";
    const std::size_t from = bracket == std::string_view::npos ? 0 : bracket + 1;
    const std::size_t colon = authority.find(':', from);
    if (colon != std::string_view::npos &&
        authority.find_first_not_of("0123456789", colon + 1) != std::string_view::npos)
      return "a wrong port";
    out.host = std::string(authority);
    std::string_view name = authority.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    out.hostname = std::string(name);
  }
  auto path = url_unescape(text);
  if (!path) return "a wrong escape";
  out.path = std::move(*path);
  return "";
}

GoValue url_parse(GoRun& run, GoArguments a) {
  Url url;
  if (const std::string why = parse_url(a[0].string(), url); !why.empty())
    return run.fail("the URL has " + why);
  const GoValue out = run.map();
  const std::array<std::pair<std::string_view, const std::string*>, 8> members = {
      {{"scheme", &url.scheme},
       {"host", &url.host},
       {"hostname", &url.hostname},
       {"path", &url.path},
       {"query", &url.query},
       {"opaque", &url.opaque},
       {"fragment", &url.fragment},
       {"userinfo", &url.userinfo}}};
  for (const auto& [name, value] : members) run.set(out.map(), name, run.string(*value));
  return out;
}

GoValue url_join(GoRun& run, GoArguments a) {
  bool texts = true;
  const auto member = [&](std::string_view name) -> std::string_view {
    if (a[0].is_nil()) return {};
    const GoValue* const found = a[0].map().find(name, run.scratch());
    if (found == nullptr) return {};
    texts &= found->is_string();
    return found->is_string() ? found->string() : std::string_view();
  };
  const std::string_view scheme = member("scheme");
  const std::string_view host = member("host");
  const std::string_view path = member("path");
  const std::string_view query = member("query");
  const std::string_view opaque = member("opaque");
  const std::string_view fragment = member("fragment");
  const std::string_view userinfo = member("userinfo");
  if (!texts) return run.fail("every member must be a string");
  const auto user = normal_userinfo(userinfo);
  if (!user) return run.fail("the user information is wrong");
  std::string out;
  if (!scheme.empty()) out.append(scheme) += ':';
  if (!opaque.empty()) {
    out += opaque;
  } else {
    const bool authority = !host.empty() || !user->empty();
    if (authority || (!scheme.empty() && !path.empty())) out += "//";
    if (!user->empty()) out.append(*user) += '@';
    url_escape(out, host, UrlPart::kHost);
    if (!path.empty() && path[0] != '/' && !host.empty()) out += '/';
    if (out.empty() && path.substr(0, path.find('/')).find(':') != std::string_view::npos)
      out += "./";
    url_escape(out, path, UrlPart::kPath);
  }
  if (!query.empty()) out.append("?").append(query);
  if (!fragment.empty()) {
    out += '#';
    url_escape(out, fragment, UrlPart::kFragment);
  }
  return run.string(out);
}

constexpr std::string_view kNoEnvironment =
    "a line must not depend on the agent's environment; sys.env() of the configuration reads it "
    "once";
constexpr std::string_view kNoNetwork = "a template does not use the network";
constexpr std::string_view kNoKeys = "a template makes no keys, certificates or passwords";
constexpr std::string_view kNoVersions = "semantic versions are not understood";

constexpr GoFunction kFunctions[] = {
    {"Hash", "ss", hash},
    {"Sha2Hash", "ss", sha2_hash},
    {"adler32sum", "s", adler32sum},
    {"sha1sum", "s", sha1sum},
    {"sha256sum", "s", sha256sum},
    {"sha512sum", "s", sha512sum},

    {"b32dec", "s", b32dec},
    {"b32enc", "s", b32enc},
    {"b64dec", "s", b64dec},
    {"b64enc", "s", b64enc},

    {"fromJson", "s", from_json},
    {"mustFromJson", "s", must_from_json},
    {"mustToJson", "a", must_to_json},
    {"mustToPrettyJson", "a", must_to_pretty_json},
    {"mustToRawJson", "a", to_raw_json},
    {"toJson", "a", to_json},
    {"toPrettyJson", "a", to_pretty_json},
    {"toRawJson", "a", to_raw_json},

    {"urlJoin", "m", url_join},
    {"urlParse", "s", url_parse},

    {"env", "s", nullptr, kNoEnvironment},
    {"expandenv", "s", nullptr, kNoEnvironment},
    {"getHostByName", "s", nullptr, kNoNetwork},
    {"bcrypt", "s", nullptr, kNoKeys},
    {"buildCustomCert", "ss", nullptr, kNoKeys},
    {"decryptAES", "ss", nullptr, kNoKeys},
    {"derivePassword", "issss", nullptr, kNoKeys},
    {"encryptAES", "ss", nullptr, kNoKeys},
    {"genCA", "si", nullptr, kNoKeys},
    {"genCAWithKey", "sis", nullptr, kNoKeys},
    {"genPrivateKey", "s", nullptr, kNoKeys},
    {"genSelfSignedCert", "saai", nullptr, kNoKeys},
    {"genSelfSignedCertWithKey", "saais", nullptr, kNoKeys},
    {"genSignedCert", "saaia", nullptr, kNoKeys},
    {"genSignedCertWithKey", "saaias", nullptr, kNoKeys},
    {"htpasswd", "ss", nullptr, kNoKeys},
    {"randBytes", "i", nullptr, kNoKeys},
    {"semver", "s", nullptr, kNoVersions},
    {"semverCompare", "ss", nullptr, kNoVersions},
};

}  // namespace

std::span<const GoFunction> go_encoding_functions() { return kFunctions; }

}  // namespace agent::wire
