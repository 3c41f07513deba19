#include "agent/wire/json.h"

#include <simdjson.h>

#include <cstring>

#include "agent/base/strings.h"

namespace agent::wire {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t kMaxDepth = 64;
// A buffer that a huge line has grown is given back.
constexpr std::size_t kKeptCapacity = 1 << 20;

// simdjson's element is two words, a tape and a place on it; a JsonNode carries the same two.
static_assert(sizeof(element) == sizeof(JsonNode));
static_assert(std::is_trivially_copyable_v<element>);

element element_of(const JsonNode& node) {
  element out;
  std::memcpy(static_cast<void*>(&out), &node, sizeof out);
  return out;
}

std::pair<const void*, std::size_t> words_of(const element& e) {
  std::pair<const void*, std::size_t> out;
  std::memcpy(&out.first, &e, sizeof out.first);
  std::memcpy(&out.second, reinterpret_cast<const char*>(&e) + sizeof out.first, sizeof out.second);
  return out;
}

}  // namespace

struct JsonDocument::Impl {
  simdjson::dom::parser parser;
  std::string padded;

  static JsonNode node(const element& e) {
    const auto [tape, index] = words_of(e);
    return JsonNode(tape, index);
  }
};

JsonNode::Kind JsonNode::kind() const {
  switch (element_of(*this).type()) {
    case element_type::ARRAY:
      return Kind::kArray;
    case element_type::OBJECT:
      return Kind::kObject;
    case element_type::INT64:
      return Kind::kInt;
    case element_type::UINT64:
      return Kind::kUint;
    case element_type::DOUBLE:
      return Kind::kDouble;
    case element_type::STRING:
      return Kind::kString;
    case element_type::BOOL:
      return Kind::kBool;
    case element_type::NULL_VALUE:
      break;
  }
  return Kind::kNull;
}

bool JsonNode::boolean() const { return element_of(*this).get_bool().value_unsafe(); }
std::int64_t JsonNode::integer() const { return element_of(*this).get_int64().value_unsafe(); }
std::uint64_t JsonNode::unsigned_integer() const {
  return element_of(*this).get_uint64().value_unsafe();
}
double JsonNode::number() const { return element_of(*this).get_double().value_unsafe(); }
std::string_view JsonNode::string() const { return element_of(*this).get_string().value_unsafe(); }

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  element found;
  if (element_of(*this).at_key(key).get(found) != simdjson::SUCCESS) return std::nullopt;
  const auto [tape, index] = words_of(found);
  return JsonNode(tape, index);
}

std::optional<JsonNode> JsonNode::at(std::int64_t index) const {
  simdjson::dom::array array;
  if (element_of(*this).get_array().get(array) != simdjson::SUCCESS) return std::nullopt;
  std::int64_t wanted = index;
  if (wanted < 0) wanted += static_cast<std::int64_t>(elements().size());
  if (wanted < 0) return std::nullopt;
  element found;
  if (array.at(static_cast<std::size_t>(wanted)).get(found) != simdjson::SUCCESS)
    return std::nullopt;
  const auto [tape, place] = words_of(found);
  return JsonNode(tape, place);
}

std::vector<std::pair<std::string_view, JsonNode>> JsonNode::members() const {
  std::vector<std::pair<std::string_view, JsonNode>> out;
  simdjson::dom::object object;
  if (element_of(*this).get_object().get(object) != simdjson::SUCCESS) return out;
  for (const auto& [key, value] : object) {
    const auto [tape, index] = words_of(value);
    out.emplace_back(key, JsonNode(tape, index));
  }
  return out;
}

std::vector<JsonNode> JsonNode::elements() const {
  std::vector<JsonNode> out;
  simdjson::dom::array array;
  if (element_of(*this).get_array().get(array) != simdjson::SUCCESS) return out;
  for (const element& value : array) {
    const auto [tape, index] = words_of(value);
    out.push_back(JsonNode(tape, index));
  }
  return out;
}

std::string JsonNode::text() const {
  std::string out;
  append_text(out);
  return out;
}

void JsonNode::append_text(std::string& out) const {
  switch (kind()) {
    case Kind::kNull:
      out += "null";
      break;
    case Kind::kBool:
      out += boolean() ? "true" : "false";
      break;
    case Kind::kInt:
      out += std::to_string(integer());
      break;
    case Kind::kUint:
      out += std::to_string(unsigned_integer());
      break;
    case Kind::kDouble:
      out += json_number(number());
      break;
    case Kind::kString:
      append_json_string(out, string());
      break;
    case Kind::kArray: {
      out += '[';
      const std::size_t begin = out.size();
      for (const JsonNode& item : elements()) {
        if (out.size() > begin) out += ',';
        item.append_text(out);
      }
      out += ']';
      break;
    }
    case Kind::kObject: {
      out += '{';
      const std::size_t begin = out.size();
      for (const auto& [name, member] : members()) {
        if (out.size() > begin) out += ',';
        append_json_string(out, name);
        out += ':';
        member.append_text(out);
      }
      out += '}';
      break;
    }
  }
}

JsonDocument::JsonDocument() : impl_(std::make_unique<Impl>()) {}
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;

std::optional<JsonNode> JsonDocument::parse(std::string_view text) {
  Impl& impl = *impl_;
  if (impl.padded.size() > kKeptCapacity && text.size() < kKeptCapacity / 4) {
    std::string().swap(impl.padded);
    impl.parser = simdjson::dom::parser();
  }
  const std::size_t needed = text.size() + simdjson::SIMDJSON_PADDING;
  if (impl.padded.size() < needed) impl.padded.resize(std::max(needed, impl.padded.size() * 2));
  std::memcpy(impl.padded.data(), text.data(), text.size());
  if (impl.parser.capacity() < text.size() || impl.parser.max_depth() != kMaxDepth) {
    if (impl.parser.allocate(std::max<std::size_t>(text.size(), 4096), kMaxDepth) !=
        simdjson::SUCCESS)
      return std::nullopt;
  }
  element root;
  if (impl.parser.parse(impl.padded.data(), text.size(), false).get(root) != simdjson::SUCCESS)
    return std::nullopt;
  return Impl::node(root);
}

}  // namespace agent::wire
