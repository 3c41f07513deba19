#include "agent/runtime/redact.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/base/base64.h"
#include "agent/base/secret.h"
#include "agent/base/strings.h"
#include "agent/io/http_fetch.h"
#include "agent/runtime/modules.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {
namespace {

using component::FieldInfo;
using lang::Expr;
using lang::Value;
using Fields = std::vector<FieldInfo>;

const FieldInfo* find_field(const Fields& fields, std::string_view name) {
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const FieldInfo& field) { return field.name == name; });
  return it == fields.end() ? nullptr : &*it;
}

// Headers may hold credentials, whatever their type.
bool is_secret(const FieldInfo* field) {
  return field == nullptr || field->type.find("secret") != std::string::npos ||
         field->name == "headers";
}

// Where user:password@ begins behind a ://, and its length without the @; from `at` on.
struct Userinfo {
  std::size_t begin = std::string_view::npos;
  std::size_t size = 0;
};
Userinfo find_userinfo(std::string_view text, std::size_t at) {
  constexpr std::string_view kScheme = "://";
  while ((at = text.find(kScheme, at)) != std::string_view::npos) {
    at += kScheme.size();
    const std::string_view authority =
        text.substr(at, text.substr(at).find_first_of("/?#\"'`\\<> \t\r\n"));
    const std::size_t end = authority.rfind('@');
    if (end != std::string_view::npos) return {at, end};
  }
  return {};
}

void collect_userinfo(std::string_view text, std::vector<std::string>& secrets) {
  for (Userinfo found = find_userinfo(text, 0); found.begin != std::string_view::npos;
       found = find_userinfo(text, found.begin + found.size)) {
    const std::string_view all = text.substr(found.begin, found.size);
    secrets.emplace_back(all);
    if (const auto colon = all.find(':'); colon != std::string_view::npos)
      secrets.emplace_back(all.substr(colon + 1));
  }
}

// Every string in it, or the secret ones and those of URLs.
void collect(const Value& value, bool all, std::vector<std::string>& secrets) {
  switch (value.kind()) {
    case Value::Kind::kString:
      if (all) {
        secrets.push_back(value.string());
      } else {
        collect_userinfo(value.string(), secrets);
      }
      break;
    case Value::Kind::kSecret:
      secrets.push_back(value.secret().reveal());
      break;
    case Value::Kind::kList:
      for (const Value& item : value.list()) collect(item, all, secrets);
      break;
    case Value::Kind::kObject:
      for (const auto& [name, member] : value.object()) collect(member, all, secrets);
      break;
    default:
      break;
  }
}

class Redaction {
 public:
  Redaction(const lang::File& file, const component::Registry& registry,
            std::vector<std::string>& secrets)
      : source_(*file.source), registry_(registry), secrets_(secrets) {
    for (const component::Declaration& kind : import_kinds())
      if (kind.name != "import.string") imports_.push_back(kind);
    for (const lang::Comment& comment : file.comments) {
      // The lines that follow keep their numbers, and what it parts stays apart.
      const std::string_view text = source_.text(comment.range);
      const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      const bool within = lines == 0 && text.starts_with("/*");
      edits_.emplace_back(comment.range, within ? " " : std::string(lines, '\n'));
    }
    for (const lang::Statement& statement : file.body) top(statement);
  }

  std::string text() && {
    std::sort(edits_.begin(), edits_.end(),
              [](const Edit& a, const Edit& b) { return a.first.begin < b.first.begin; });
    std::string out;
    std::uint32_t done = 0;
    for (const auto& [range, replacement] : edits_) {
      out += source_.text({done, range.begin});
      out += replacement;
      done = range.end;
    }
    return out += source_.text().substr(done);
  }

 private:
  using Edit = std::pair<lang::Range, std::string>;

  // A statement of a file, a declare or a foreach's template.
  void top(const lang::Statement& statement) {
    if (statement.block == nullptr) return expression(*statement.value, true);
    const lang::BlockNode& block = *statement.block;
    if (block.name == "declare" || block.name == "foreach" || block.name == "template") {
      for (const lang::Statement& inner : block.body) {
        if (inner.block == nullptr) {
          expression(*inner.value, false);  // collection, var
        } else {
          top(inner);
        }
      }
    } else if (const auto* declaration = registry_.find(block.name)) {
      body(block, declaration->fields());
    } else if (const auto* settings = find_settings(block.name)) {
      body(block, settings->fields());
    } else {
      const auto import = std::find_if(imports_.begin(), imports_.end(),
                                       [&](const auto& kind) { return kind.name == block.name; });
      body(block, import == imports_.end() ? Fields() : import->fields());
    }
  }

  void body(const lang::BlockNode& block, const Fields& fields) {
    for (const lang::Statement& statement : block.body) {
      if (statement.block == nullptr) {
        expression(*statement.value, is_secret(find_field(fields, statement.name)));
      } else {
        const FieldInfo* field = find_field(fields, statement.block->name);
        body(*statement.block, field == nullptr ? Fields() : field->fields);
      }
    }
  }

  void expression(const Expr& expr, bool secret) {
    if (expr.kind == Expr::Kind::kLiteral) return literal(expr, secret);
    const bool names_variable = expr.kind == Expr::Kind::kCall && !expr.children.empty() &&
                                is_env(source_.text(expr.children.front()->range));
    for (const auto& child : expr.children) expression(*child, secret && !names_variable);
  }

  static bool is_env(std::string_view function) {
    return function == "sys.env" || function == "env";
  }

  void literal(const Expr& expr, bool secret) {
    const bool is_string = expr.value.kind() == Value::Kind::kString;
    if (!is_string && !expr.value.is_number()) return;
    if (secret) {
      if (is_string) secrets_.push_back(expr.value.string());
      edits_.emplace_back(expr.range, "\"" + std::string(kSecretText) + "\"");
    } else if (is_string) {
      collect_userinfo(expr.value.string(), secrets_);
      std::string masked = mask_userinfo(expr.value.string());
      if (masked == expr.value.string()) return;
      const std::string_view text = source_.text(expr.range);
      // Escapes may hide an @.
      const bool escapes = text.starts_with('"') && text.find('\\') != text.npos;
      edits_.emplace_back(expr.range,
                          escapes ? Value(std::move(masked)).text() : mask_userinfo(text));
    }
  }

  const lang::Source& source_;
  const component::Registry& registry_;
  std::vector<std::string>& secrets_;
  std::vector<component::Declaration> imports_;
  std::vector<Edit> edits_;  // they do not overlap
};

constexpr std::size_t kShortest = 4;       // of a secret that is looked for in texts
constexpr std::size_t kShortestLine = 16;  // of a secret of several lines

// What each base64 of a text with `secret` in it has, whatever stands before and behind.
void add_base64_forms(std::string_view secret, std::set<std::string>& forms) {
  const auto add = [&forms](std::string form) {
    forms.insert(form);
    std::replace(form.begin(), form.end(), '+', '-');
    std::replace(form.begin(), form.end(), '/', '_');
    forms.insert(std::move(form));  // the alphabet of URLs
  };
  add(to_base64(secret));
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string text = to_base64(std::string(before, '\0').append(secret));
    const std::size_t first = (8 * before + 5) / 6;  // with bits of the secret alone
    add(text.substr(first, 8 * (before + secret.size()) / 6 - first));
  }
}

}  // namespace

std::string redact(const lang::File& file, const component::Registry& registry,
                   std::vector<std::string>& secrets) {
  return Redaction(file, registry, secrets).text();
}

void collect_secrets(const lang::Body& body, const Fields& fields,
                     std::vector<std::string>& secrets) {
  for (const lang::Attribute& attribute : body.attributes)
    collect(attribute.value, is_secret(find_field(fields, attribute.name)), secrets);
  for (const lang::Block& block : body.blocks) {
    const FieldInfo* field = find_field(fields, block.name);
    collect_secrets(block.body, field == nullptr ? Fields() : field->fields, secrets);
  }
}

void collect_secrets(const component::Exports& exports, std::vector<std::string>& secrets) {
  for (const auto& [name, value] : exports) collect(value, false, secrets);
}

std::string scrub(std::string_view text, const std::vector<std::string>& secrets) {
  std::set<std::string> forms;
  for (const std::string& secret : secrets) {
    if (secret.size() < kShortest) continue;
    forms.insert(secret);
    const std::string quoted = json_string(to_valid_utf8(secret));
    forms.insert(quoted.substr(1, quoted.size() - 2));
    forms.insert(io::percent_encode(secret));
    add_base64_forms(secret, forms);
    if (secret.find('\n') == std::string::npos) continue;
    for (std::string_view line : split(secret, '\n'))
      if (trim(line).size() >= kShortestLine) forms.emplace(trim(line));
  }
  std::vector<std::pair<std::size_t, std::size_t>> found;  // from, to
  for (const std::string& form : forms)
    for (std::size_t at = text.find(form); at != text.npos; at = text.find(form, at + form.size()))
      found.emplace_back(at, at + form.size());
  std::sort(found.begin(), found.end());
  std::string out;
  std::size_t done = 0;
  for (std::size_t i = 0; i < found.size();) {
    const std::size_t from = found[i].first;
    out += text.substr(done, from - done);
    out += kSecretText;
    // One may hold another, or reach into it.
    for (done = from; i < found.size() && found[i].first <= done; ++i)
      done = std::max(done, found[i].second);
  }
  return out += text.substr(done);
}

std::string mask_userinfo(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (Userinfo found = find_userinfo(text, 0); found.begin != std::string_view::npos;
       found = find_userinfo(text, found.begin + found.size)) {
    out += text.substr(done, found.begin - done);
    out += kSecretText;
    done = found.begin + found.size;
  }
  return out += text.substr(done);
}

}  // namespace agent::runtime
