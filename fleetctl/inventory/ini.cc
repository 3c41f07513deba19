#include "fleetctl/inventory/ini.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "agent/base/strings.h"
#include "fleetctl/inventory/address.h"
#include "fleetctl/inventory/shell_words.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What follows a name: white space and perhaps a comment.
bool only_comment(std::string_view rest) {
  rest = agent::trim(rest);
  return rest.empty() || rest[0] == '#';
}

struct Header {
  std::string group;
  std::string kind;  // hosts, children, vars or whatever was written
};

std::optional<Header> parse_header(std::string_view line) {
  if (line.empty() || line[0] != '[') return std::nullopt;
  const std::size_t close = line.find(']');
  if (close == std::string_view::npos || !only_comment(line.substr(close + 1))) return std::nullopt;
  std::string_view inner = line.substr(1, close - 1);
  Header header{"", "hosts"};
  const std::size_t colon = inner.find(':');
  if (colon != std::string_view::npos) {
    header.kind = std::string(inner.substr(colon + 1));
    inner = inner.substr(0, colon);
    if (header.kind.empty()) return std::nullopt;
    for (char c : header.kind)
      if (is_space(c) || c == ':' || c == '-' || c == '.') return std::nullopt;
  }
  if (inner.empty()) return std::nullopt;
  for (char c : inner)
    if (is_space(c)) return std::nullopt;
  header.group = std::string(inner);
  return header;
}

class Reader {
 public:
  Reader(const std::string& file, Inventory& inventory) : file_(file), inventory_(inventory) {}

  Result<> read(std::string_view text) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    group_ = inventory_.group("ungrouped");
    while (!text.empty()) {
      ++line_number_;
      const std::size_t end = text.find_first_of("\r\n");
      const std::string_view line = agent::trim(text.substr(0, end));
      if (end == std::string_view::npos) {
        text = {};
      } else {
        text.remove_prefix(text.substr(end, 2) == "\r\n" ? end + 2 : end + 1);
      }
      if (line.empty() || line[0] == '#' || line[0] == ';') continue;
      if (auto done = read_line(line); !done) return done;
    }
    for (const auto& [name, pending] : pending_) {
      line_number_ = pending.line;
      if (pending.for_vars)
        return complain("[" + name + ":vars] sets variables of a group that is declared nowhere");
      return complain("[" + pending.parents.back()->name + ":children] names the group '" + name +
                      "', which is declared nowhere");
    }
    return {};
  }

 private:
  struct Pending {
    int line = 0;
    bool for_vars = false;  // else: it was named as a child
    std::vector<Group*> parents;
  };
  enum class State { kHosts, kChildren, kVars };

  Result<> complain(const std::string& what) const {
    return fail(ErrorCode::kInvalid, file_ + ":" + std::to_string(line_number_) + ": " + what);
  }

  // Comments may be in any encoding, what is read may not.
  Result<> not_utf8() const { return complain("this line is not UTF-8"); }

  Result<> read_line(std::string_view line) {
    if (auto header = parse_header(line))
      return agent::is_valid_utf8(header->group) ? begin_section(*header) : not_utf8();
    if (line.front() == '[' && line.back() == ']')
      return complain("'" + std::string(line) +
                      "' is not a section: no spaces and no further brackets are allowed in it");
    switch (state_) {
      case State::kHosts:
        return read_host(line);
      case State::kVars:
        return read_variable(line);
      case State::kChildren:
        return read_child(line);
    }
    return {};
  }

  Result<> begin_section(const Header& header) {
    if (header.kind == "hosts") {
      state_ = State::kHosts;
    } else if (header.kind == "children") {
      state_ = State::kChildren;
    } else if (header.kind == "vars") {
      state_ = State::kVars;
    } else {
      return complain("[" + header.group + ":" + header.kind +
                      "] has an unknown type; there are :children, :vars and :hosts");
    }
    const auto pending = pending_.find(header.group);
    const bool known = inventory_.group(header.group) != nullptr;
    if (!known && state_ == State::kVars && pending == pending_.end())
      pending_[header.group] = Pending{line_number_, true, {}};
    auto group = inventory_.add_group(header.group);
    if (!group) return complain(group.error().message);
    group_ = *group;
    if (state_ != State::kVars) return declare(*group_);
    return {};
  }

  // The group is declared now: whoever named it as a child before gets it.
  Result<> declare(Group& group) {
    const auto found = pending_.find(group.name);
    if (found == pending_.end()) return {};
    const std::vector<Group*> parents = std::move(found->second.parents);
    pending_.erase(found);
    for (Group* parent : parents) {
      if (auto added = inventory_.add_child(*parent, group); !added)
        return complain(added.error().message);
    }
    return {};
  }

  Result<> read_child(std::string_view line) {
    const std::size_t end = line.find_first_of(" \t\r\f\v:]");
    const std::string name(line.substr(0, end));
    if (!agent::is_valid_utf8(name)) return not_utf8();
    if (name.empty() || (end != std::string_view::npos && !only_comment(line.substr(end))))
      return complain("expected the name of a group, got: " + std::string(line));
    if (Group* child = inventory_.group(name)) {
      if (auto added = inventory_.add_child(*group_, *child); !added)
        return complain(added.error().message);
      // [child:vars] before its declaration stays an open question; only a section settles it.
      return {};
    }
    auto [place, fresh] = pending_.try_emplace(name);
    if (fresh) place->second.line = line_number_;
    place->second.parents.push_back(group_);
    return {};
  }

  Result<> read_variable(std::string_view line) {
    if (!agent::is_valid_utf8(line)) return not_utf8();
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return complain("expected key=value, got: " + std::string(line));
    return set(group_->name, agent::trim(line.substr(0, equals)),
               agent::trim(line.substr(equals + 1)));
  }

  Result<> read_host(std::string_view line) {
    auto words = split_shell_words(line, Comments::kYes);
    if (!words) return complain(words.error().message + ": " + std::string(line));
    if (words->empty()) return complain("expected a host, got: " + std::string(line));
    if (!std::all_of(words->begin(), words->end(),
                     [](const std::string& word) { return agent::is_valid_utf8(word); }))
      return not_utf8();
    const std::string& pattern = words->front();
    auto hosts = expand_host_pattern(pattern);
    if (!hosts) return complain(hosts.error().message);
    if (!hosts->port && agent::trim(pattern).ends_with(':'))
      return complain("a host cannot end in ':' (" + pattern + "); is this file YAML?");
    for (const std::string& name : hosts->names) {
      if (name == "---") return complain("'---' is not a host; is this file YAML?");
      auto host = inventory_.add_host(name, group_, hosts->port);
      if (!host) return complain(host.error().message);
      for (std::size_t i = 1; i < words->size(); ++i) {
        const std::string_view word = (*words)[i];
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos)
          return complain("expected key=value after the host, got: " + std::string(word));
        if (auto done = set(name, word.substr(0, equals), word.substr(equals + 1)); !done)
          return done;
      }
    }
    return {};
  }

  Result<> set(std::string_view entity, std::string_view key, std::string_view text) {
    Value value;
    if (auto literal = value::parse_literal(text)) {
      value = std::move(*literal);
    } else {
      value = Value::string(std::string(text));
    }
    value.set_mark(std::make_shared<value::Mark>(value::Mark{file_, line_number_, 0}));
    if (auto done = inventory_.set_variable(entity, key, std::move(value)); !done)
      return complain(done.error().message);
    return {};
  }

  const std::string& file_;
  Inventory& inventory_;
  Group* group_ = nullptr;
  State state_ = State::kHosts;
  int line_number_ = 0;
  std::map<std::string, Pending> pending_;
};

}  // namespace

Result<> read_ini(std::string_view text, const std::string& file, Inventory& inventory) {
  return Reader(file, inventory).read(text);
}

}  // namespace fleetctl::inventory
