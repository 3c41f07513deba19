#include "fleetctl/inventory/yaml_reader.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <sstream>

#include "agent/base/strings.h"
#include "fleetctl/inventory/yaml_repair.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

constexpr std::string_view kStandard = "tag:yaml.org,2002:";
constexpr std::size_t kMaxNodes = 4'000'000;  // aliases count what they repeat
constexpr std::size_t kMaxDepth = 200;

std::string place(const std::string& file, const YAML::Mark& mark) {
  if (mark.is_null()) return file;
  return file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

std::string source_line(std::string_view text, int line) {
  const auto lines = agent::split(text, '\n');
  if (line < 0 || static_cast<std::size_t>(line) >= lines.size()) return {};
  return std::string(lines[static_cast<std::size_t>(line)]);
}

constexpr std::string_view kQuoteHint =
    "a value that starts with {{ has to be quoted, or YAML takes it for a map: \"{{ name }}\"";

// What a person probably did where the parser found that; "" when nobody knows.
std::string_view likely_cause(std::string_view text, const YAML::Mark& mark,
                              std::string_view complaint) {
  const std::string line = source_line(text, mark.line);
  const std::string above = source_line(text, mark.line - 1);
  const auto has_tab = [](std::string_view one) {
    const std::size_t at = one.find_first_not_of(' ');
    return at != std::string_view::npos && one[at] == '\t';
  };
  const auto has = [&](std::string_view word) {
    return complaint.find(word) != std::string_view::npos;
  };
  const std::string before = line.substr(0, static_cast<std::size_t>(std::max(mark.column, 0)));
  if (line.find(": {{") != std::string::npos || line.find("- {{") != std::string::npos)
    return kQuoteHint;
  if (has_tab(line) || has_tab(above)) return "YAML is indented with spaces, here is a tab";
  if (has("map flow")) return "a { is not closed";
  if (has("sequence flow")) return "a [ is not closed";
  if (has("map value"))
    return before.find(": ") != std::string::npos
               ? "a text that holds ': ' has to be quoted"
               : "is the line indented as it should be, and does the one above have a ':'?";
  if (has("block entry")) return "a list begins on a line of its own";
  if (has("end of map") || has("end of seq"))
    return before.find('\'') != std::string::npos
               ? "inside '...' a ' is written ''"
               : "the line is not indented as the others of its map or list";
  if (has("unknown token")) return "a text that begins with this has to be quoted";
  return "";
}

// Whether a scalar that begins with a quote there goes on to the end of the text, which yaml-cpp
// takes for its end.
bool is_unclosed(std::string_view text, const YAML::Mark& mark) {
  std::size_t at = 0;
  for (int line = 0; line < mark.line; ++line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return false;
    ++at;
  }
  at += static_cast<std::size_t>(std::max(mark.column, 0));
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return false;
  const char quote = text[at];
  while (++at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != quote) return false;
      ++at;
    }
  }
  return true;
}

// Builds a Value from the parser's events. After an error the remaining events are ignored; there
// are never more of them than the text is long, since the parser does not repeat aliased nodes.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const std::string& file, std::vector<std::string>& warnings)
      : text_(text), file_(file), warnings_(warnings) {}

  Value take() { return std::move(root_); }
  const std::string& error() const { return error_; }
  // Of a document that was read to its end: `parsed` is what the parser read.
  void check_last_quote(std::string_view parsed) {
    if (!last_quoted_.is_null() && is_unclosed(parsed, last_quoted_))
      stop(last_quoted_, "this quote is not closed");
  }
  const YAML::Mark& start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, Value::none(), 1);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return stop(mark, "this alias stands inside its own anchor");
    add(mark, 0, found->second.value, found->second.nodes);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool plain = tag == "?";
    last_quoted_ = plain ? YAML::Mark::null_mark() : mark;
    merge_key_ = plain && text == "<<";
    add(mark, anchor, scalar(mark, tag, mend_escapes(text)), 1);
    merge_key_ = false;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, false);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, true);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Frame {
    bool map = false;
    std::string tag;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    std::vector<Value> items;
    Dict own;
    std::vector<Value> merged;  // what << names, in the order of the text
    Value key;
    YAML::Mark key_mark;
    bool has_key = false;
    bool key_is_merge = false;
    std::size_t nodes = 1;
  };
  struct Anchor {
    Value value;
    std::size_t nodes = 0;
  };

  void stop(const YAML::Mark& mark, std::string_view what) {
    if (!stopped()) error_ = place(file_, mark) + ": " + std::string(what);
  }
  bool stopped() const { return !error_.empty(); }

  Value marked(const YAML::Mark& mark, Value value) {
    value.set_mark(
        std::make_shared<value::Mark>(value::Mark{file_, mark.line + 1, mark.column + 1}));
    return value;
  }

  Value scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    if (tag == "?") return resolve_scalar(text);
    if (tag == "!") return Value::string(text);
    if (tag == "!unsafe") return Value::string(text, value::kUnsafe);
    if (tag == "!vault" || tag == "!vault-encrypted")
      return Value::object(std::make_shared<value::Encrypted>(text));
    if (tag.starts_with(kStandard)) {
      const std::string_view kind = std::string_view(tag).substr(kStandard.size());
      if (kind == "str") return Value::string(text);
      if (kind == "binary") return Value::string(decode_base64(mark, text));
      Value resolved = resolve_scalar(text);
      if (kind == "null") return Value::none();
      if (kind == "int" && resolved.is_number() && !resolved.is_float() && !resolved.is_bool())
        return resolved;
      if (kind == "float" && resolved.is_number() && !resolved.is_bool())
        return Value::real(value::number_of(resolved));
      if (kind == "bool" && resolved.is_bool()) return resolved;
      if (kind == "timestamp" && resolved.is_string()) return resolved;
      stop(mark, "'" + text + "' is not a " + std::string(kind));
      return {};
    }
    stop(mark, "the tag " + tag + " is not known");
    return {};
  }

  std::string decode_base64(const YAML::Mark& mark, std::string_view text) {
    std::string out;
    unsigned bits = 0;
    int count = 0;
    for (char c : text) {
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
      if (c == '=') break;
      static constexpr std::string_view kAlphabet =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      const std::size_t digit = kAlphabet.find(c);
      if (digit == std::string_view::npos) {
        stop(mark, "!!binary holds something that is not base64");
        return {};
      }
      bits = bits << 6 | static_cast<unsigned>(digit);
      count += 6;
      if (count >= 8) {
        count -= 8;
        out.push_back(static_cast<char>(bits >> count & 0xFF));
      }
    }
    return out;
  }

  void push(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool map) {
    if (stopped()) return;
    if (frames_.size() >= kMaxDepth) return stop(mark, "this is nested too deeply");
    Frame frame;
    frame.map = map;
    frame.tag = tag;
    frame.anchor = anchor;
    frame.mark = mark;
    frames_.push_back(std::move(frame));
  }

  void pop() {
    if (stopped()) return;
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Value value = finish(frame);
    if (frame.tag == "!unsafe") {
      value = value::deep_copy(value);
      value::set_flag_deep(value, value::kUnsafe);
    }
    add(frame.mark, frame.anchor, std::move(value), frame.nodes);
  }

  Value finish(Frame& frame) {
    std::string_view tag = frame.tag;
    const bool standard = tag.starts_with(kStandard);
    if (standard) tag.remove_prefix(kStandard.size());
    const bool known = tag.empty() || tag == "?" || tag == "!" || tag == "!unsafe" ||
                       (standard && (tag == "map" || tag == "seq" || tag == "set" ||
                                     tag == "omap" || tag == "pairs"));
    if (!known) stop(frame.mark, "the tag " + frame.tag + " is not known here");
    if (!frame.map) {
      if (standard && (tag == "omap" || tag == "pairs")) {
        for (Value& item : frame.items) {
          if (!item.is_dict() || item.as_dict().size() != 1) {
            stop(frame.mark, "each entry of !!" + std::string(tag) + " is a map of one key");
            return {};
          }
          const auto& [key, value] = *item.as_dict().begin();
          item = Value::tuple({key, value});
        }
      }
      return Value::list(std::move(frame.items));
    }
    Dict all;
    for (const Value& map : frame.merged)
      for (const auto& [key, value] : map.as_dict()) all.set(key, value);
    if (all.empty()) {
      all = std::move(frame.own);
    } else {
      for (const auto& [key, value] : frame.own) all.set(key, value);
    }
    if (!standard || tag != "set") return Value::dict(std::move(all));
    std::vector<Value> keys;
    for (const auto& [key, value] : all) keys.push_back(key);
    return Value::list(std::move(keys));
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Value value, std::size_t nodes) {
    if (stopped()) return;
    total_ += 1;
    value = marked(mark, std::move(value));
    if (anchor != 0) anchors_[anchor] = {value, nodes};
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    frame.nodes += nodes;
    if (frame.nodes > kMaxNodes || total_ > kMaxNodes)
      return stop(mark, "this document is too large once its aliases are expanded");
    if (!frame.map) {
      frame.items.push_back(std::move(value));
    } else if (!frame.has_key) {
      add_key(frame, mark, std::move(value));
    } else {
      add_entry(frame, mark, std::move(value));
    }
  }

  void add_key(Frame& frame, const YAML::Mark& mark, Value key) {
    if (!value::hashable(key)) {
      const std::string line = source_line(text_, mark.line);
      const auto column = static_cast<std::size_t>(std::max(mark.column - 1, 0));
      const bool template_ = line.substr(std::min(column, line.size())).substr(0, 2) == "{{";
      return stop(frame.mark, template_
                                  ? kQuoteHint
                                  : std::string_view("a map or a list cannot be the key of a map"));
    }
    frame.key_is_merge = merge_key_;
    frame.key = std::move(key);
    frame.key_mark = mark;
    frame.has_key = true;
  }

  void add_entry(Frame& frame, const YAML::Mark& mark, Value value) {
    frame.has_key = false;
    if (!frame.key_is_merge) {
      if (frame.own.find(frame.key) != nullptr)
        warnings_.push_back(place(file_, frame.key_mark) + ": the key " + value::repr(frame.key) +
                            " is written twice in this map; the last one wins");
      frame.own.set(std::move(frame.key), std::move(value));
      return;
    }
    if (value.is_dict()) {
      frame.merged.push_back(std::move(value));
      return;
    }
    if (!value.is_list()) return stop(mark, "<< needs a map or a list of maps");
    // The first of the list overrides those after it.
    const std::vector<Value>& maps = value.items();
    for (std::size_t i = maps.size(); i-- > 0;) {
      if (!maps[i].is_dict()) return stop(mark, "<< needs a map or a list of maps");
      frame.merged.push_back(maps[i]);
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::vector<std::string>& warnings_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  Value root_;
  std::string error_;
  YAML::Mark start_;
  std::size_t total_ = 0;
  bool merge_key_ = false;
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();  // of the last scalar, where it has quotes
};

// Ansible's two marked objects of JSON: {"__ansible_vault": "..."} and {"__ansible_unsafe": "..."}.
Value unwrap_json(const Value& value, const std::shared_ptr<const value::Mark>& mark, int depth) {
  Value out = value;
  if (depth < 200 && value.is_list()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(unwrap_json(item, mark, depth + 1));
    out = Value::list(std::move(items));
  } else if (depth < 200 && value.is_dict()) {
    const Value* vaulted = value.get("__ansible_vault");
    const Value* unsafe = value.get("__ansible_unsafe");
    if (vaulted != nullptr && vaulted->is_string()) {
      out = Value::object(std::make_shared<value::Encrypted>(vaulted->as_string()));
    } else if (unsafe != nullptr && unsafe->is_string()) {
      out = Value::string(unsafe->as_string(), value::kUnsafe);
    } else {
      Dict entries;
      for (const auto& [key, item] : value.as_dict())
        entries.set(key, unwrap_json(item, mark, depth + 1));
      out = Value::dict(std::move(entries));
    }
  }
  out.set_mark(mark);
  return out;
}

// The place of the first character that YAML's c-printable leaves out; "" if there is none.
std::string unreadable(std::string_view text, const std::string& file) {
  int line = 1;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n') {
      ++line;
      begin = at + 1;
      continue;
    }
    // UTF-8 of U+0080 to U+009F but U+0085, and of U+FFFE and U+FFFF.
    const std::string_view character = text.substr(at, 3);
    const bool control =
        (byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f ||
        (byte == 0xc2 && character.size() > 1 && static_cast<unsigned char>(character[1]) < 0xa0 &&
         character[1] != '\x85') ||
        character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF";
    if (!control) continue;
    return file + ":" + std::to_string(line) + ":" +
           std::to_string(value::count_code_points(text.substr(begin, at - begin)) + 1) +
           ": YAML holds no control characters; in double quotes they can be written \\x01";
  }
  return {};
}

std::string not_utf8(std::string_view text, const std::string& file) {
  int number = 0;
  for (const std::string_view line : agent::split(text, '\n')) {
    ++number;
    for (std::size_t column = 1; const std::string_view one : agent::utf8_characters(line)) {
      if (!agent::is_valid_utf8(one))
        return file + ":" + std::to_string(number) + ":" + std::to_string(column) +
               ": it is not UTF-8";
      ++column;
    }
  }
  return file + ": it is not UTF-8";
}

constexpr std::size_t kMostDocuments = 10'000;

// Up to `most` documents; a JSON text is one.
Result<std::vector<Value>> read_documents(std::string_view text, const std::string& file,
                                          std::vector<std::string>& warnings, std::size_t most) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (!agent::is_valid_utf8(text)) return fail(ErrorCode::kInvalid, not_utf8(text, file));
  const std::string_view trimmed = agent::trim(text);
  if (!trimmed.empty() && (trimmed[0] == '{' || trimmed[0] == '[')) {
    if (auto json = value::parse_json(trimmed))
      return std::vector<Value>{
          unwrap_json(*json, std::make_shared<value::Mark>(value::Mark{file, 0, 0}), 0)};
  }
  if (std::string what = unreadable(text, file); !what.empty())
    return fail(ErrorCode::kInvalid, std::move(what));
  std::vector<Value> documents;
  std::optional<Builder> builder;
  try {
    const std::string widened = widen_tagged_blocks(text);
    std::istringstream stream(widened);
    YAML::Parser parser(stream);
    for (;;) {
      builder.emplace(text, file, warnings);
      if (!parser.HandleNextDocument(*builder)) return documents;
      builder->check_last_quote(widened);
      if (!builder->error().empty()) return fail(ErrorCode::kInvalid, builder->error());
      if (documents.size() == most)
        return fail(ErrorCode::kInvalid,
                    place(file, builder->start()) + ": it holds more than " +
                        (most == 1 ? "one YAML document" : std::to_string(most) + " documents"));
      documents.push_back(builder->take());
    }
  } catch (const YAML::Exception& e) {
    if (builder && !builder->error().empty()) return fail(ErrorCode::kInvalid, builder->error());
    std::string message = place(file, e.mark) + ": " + e.msg;
    if (const auto cause = likely_cause(text, e.mark, e.msg); !cause.empty())
      message += " (" + std::string(cause) + ")";
    return fail(ErrorCode::kInvalid, std::move(message));
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInvalid, file + ": " + e.what());
  }
}

}  // namespace

Result<Value> read_yaml(std::string_view text, const std::string& file,
                        std::vector<std::string>& warnings) {
  auto documents = read_documents(text, file, warnings, 1);
  if (!documents) return fail(documents.error());
  return documents->empty() ? Value::none() : std::move(documents->front());
}

Result<std::vector<Value>> read_yaml_documents(std::string_view text, const std::string& file) {
  std::vector<std::string> ignored;
  return read_documents(text, file, ignored, kMostDocuments);
}

}  // namespace fleetctl::inventory
