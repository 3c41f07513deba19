// What a component's configuration may hold, declared once. From a Schema come decoding with errors
// that point into the file, `validate`, fleetctl's check of rendered files, the argument tables in
// docs/reference and the UI's argument page.
//
//   struct TailArgs {
//     std::vector<std::shared_ptr<LogReceiver>> forward_to;
//     Duration idle = std::chrono::seconds(5);          // the default is the member's initialiser
//     static Schema<TailArgs> schema() {
//       return Schema<TailArgs>()
//           .required("forward_to", &TailArgs::forward_to, "Receivers that get the entries.")
//           .optional("idle", &TailArgs::idle, "Time without a line after which the file is
//           closed.");
//     }
//     void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;   // optional:
//     rules between values
//   };
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/component/decode.h"
#include "agent/lang/body.h"

namespace agent::component {

// The part of a schema that people and tools read.
struct FieldInfo {
  enum class Kind { kAttribute, kBlock };
  Kind kind = Kind::kAttribute;
  std::string name;
  std::string type;  // of an attribute: "string", "list(LogsReceiver)"
  bool required = false;
  bool repeated = false;          // of a block
  std::string default_value;      // of an attribute, as the language writes it
  std::string doc;                // sentences
  std::vector<FieldInfo> fields;  // of a block
};

template <class Args>
class Schema;

// Decodes `body` into `args`, whose values stand for what is not given. Reports everything that is
// wrong and goes on.
template <class Args>
void decode(const lang::Body& body, Args& args, lang::Diagnostics& diagnostics);

template <class T>
concept HasSchema = requires {
  T::schema();
};

// One kind of block in a list of blocks whose source order matters (the stages of loki.process).
template <class Element>
struct Variant {
  std::string name;  // "stage.docker"
  std::string doc;
  std::function<std::vector<FieldInfo>()> fields;
  // Adds to `out` what the block says.
  std::function<void(const lang::Block& block, std::vector<Element>& out,
                     lang::Diagnostics& diagnostics)>
      decode;
};

template <class Args>
class Schema {
 public:
  template <class T>
  Schema& required(std::string name, T Args::*member, std::string doc) {
    return attribute(std::move(name), member, std::move(doc), true);
  }
  template <class T>
  Schema& optional(std::string name, T Args::*member, std::string doc) {
    return attribute(std::move(name), member, std::move(doc), false);
  }
  // T: a struct with a schema (the block decodes into it), std::optional of one, or std::vector of
  // one (repeatable).
  template <class T>
  Schema& block(std::string name, T Args::*member, std::string doc) {
    return add_block(std::move(name), member, std::move(doc), false);
  }
  template <class T>
  Schema& required_block(std::string name, T Args::*member, std::string doc) {
    return add_block(std::move(name), member, std::move(doc), true);
  }
  // Blocks of several kinds that go into one list in source order.
  template <class Element>
  Schema& variants(std::vector<Element> Args::*member, const std::vector<Variant<Element>>& kinds);
  // The fields of a nested struct as if they stood here (a shared set of client options).
  template <class T>
  Schema& include(T Args::*member);
  // A field that exists elsewhere and that this agent accepts without acting on it.
  Schema& ignored(std::string name, std::string doc);
  Schema& ignored_block(std::string name, std::string doc);
  // A block that exists elsewhere and that this agent cannot do without: an error that says why.
  Schema& refused_block(std::string name, std::string why);

  std::vector<FieldInfo> info() const {
    std::vector<FieldInfo> out;
    for (const Field& field : fields_) {
      FieldInfo copy = field.info;
      if (field.nested) copy.fields = field.nested();
      out.push_back(std::move(copy));
    }
    return out;
  }

  struct Field {
    FieldInfo info;
    std::function<std::string(const Args&)> text;    // of an optional attribute's value
    std::function<std::vector<FieldInfo>()> nested;  // of a block
    std::function<void(const lang::Attribute&, Args&, lang::Diagnostics&)> decode_attribute;
    std::function<void(const lang::Block&, Args&, lang::Diagnostics&)> decode_block;
  };
  const std::vector<Field>& fields() const { return fields_; }

 private:
  template <class T>
  Schema& attribute(std::string name, T Args::*member, std::string doc, bool required);
  template <class T>
  Schema& add_block(std::string name, T Args::*member, std::string doc, bool required);
  std::vector<Field> fields_;
};

// The rules of names and numbers that hold for every body; used by decode.
void check_names(const lang::Body& body, const std::vector<const FieldInfo*>& known,
                 lang::Diagnostics& diagnostics);
bool has_placeholder(const lang::Body& body);

}  // namespace agent::component

#include "agent/component/schema_inl.h"
