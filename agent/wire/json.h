// JSON documents, parsed fast (simdjson) and read in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::wire {

class JsonDocument;

// A place in a parsed document; valid until the document parses again.
class JsonNode {
 public:
  enum class Kind { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };
  Kind kind() const;
  bool boolean() const;
  std::int64_t integer() const;
  std::uint64_t unsigned_integer() const;
  double number() const;            // of any kind of number
  std::string_view string() const;  // in the document's memory
  // Member of an object, of equal names the first; element of an array, negative counts from the
  // end.
  std::optional<JsonNode> find(std::string_view key) const;
  std::optional<JsonNode> at(std::int64_t index) const;
  std::vector<std::pair<std::string_view, JsonNode>> members() const;
  std::vector<JsonNode> elements() const;
  // Compact JSON text, numbers as Go writes them.
  std::string text() const;
  void append_text(std::string& out) const;

 private:
  friend class JsonDocument;
  explicit JsonNode(const void* tape, std::size_t index) : tape_(tape), index_(index) {}
  // Read as the two words of a simdjson element.
  [[maybe_unused]] const void* tape_;
  [[maybe_unused]] std::size_t index_;
};

// One thread at a time; keeps its memory between documents.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  // The root; none when `text` is no JSON, is not UTF-8, or nests deeper than 64.
  std::optional<JsonNode> parse(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::wire
