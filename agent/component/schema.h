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

#include <cstddef>
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

// One attribute or block, apart from the type of the struct that it is decoded into: a component
// has dozens of these, and code of its own for each would be a tenth of the program.
struct SchemaField {
  FieldInfo info;
  std::size_t offset = 0;                             // of the member in its struct
  std::string (*text)(const void* member) = nullptr;  // of an optional attribute's value
  void (*decode_attribute)(const lang::Attribute& attribute, void* member,
                           lang::Diagnostics& diagnostics) = nullptr;
  std::function<std::vector<FieldInfo>()> nested;  // of a block
  std::function<void(const lang::Block& block, void* member, lang::Diagnostics& diagnostics)>
      decode_block;
};

// What all schemas do alike.
class SchemaFields {
 public:
  std::vector<FieldInfo> info() const;
  // `args` points to the struct that the fields belong to.
  void decode(const lang::Body& body, void* args, lang::Diagnostics& diagnostics) const;

 protected:
  // An optional attribute's default is read from `defaults`, a struct of the fields' kind.
  void add(SchemaField field, const void* defaults);
  // The fields of a struct that lies at `offset` in this one.
  void include(const SchemaFields& inner, std::size_t offset, const void* defaults);
  void add_ignored(std::string name, std::string doc);
  void add_ignored_block(std::string name, std::string doc);
  void add_refused_block(std::string name, std::string why);

 private:
  std::vector<SchemaField> fields_;
};

template <class Args>
class Schema : public SchemaFields {
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
  Schema& include(T Args::*member) {
    SchemaFields::include(T::schema(), offset_of(member), defaults_.get());
    return *this;
  }
  // A field that exists elsewhere and that this agent accepts without acting on it.
  Schema& ignored(std::string name, std::string doc) {
    add_ignored(std::move(name), std::move(doc));
    return *this;
  }
  Schema& ignored_block(std::string name, std::string doc) {
    add_ignored_block(std::move(name), std::move(doc));
    return *this;
  }
  // A block that exists elsewhere and that this agent cannot do without: an error that says why.
  Schema& refused_block(std::string name, std::string why) {
    add_refused_block(std::move(name), std::move(why));
    return *this;
  }

 private:
  template <class T>
  std::size_t offset_of(T Args::*member) const {
    return static_cast<std::size_t>(reinterpret_cast<const char*>(&(defaults_.get()->*member)) -
                                    reinterpret_cast<const char*>(defaults_.get()));
  }
  template <class T>
  Schema& attribute(std::string name, T Args::*member, std::string doc, bool required);
  template <class T>
  Schema& add_block(std::string name, T Args::*member, std::string doc, bool required);

  std::shared_ptr<const Args> defaults_ = std::make_shared<const Args>();
};

// The rules of names and numbers that hold for every body; used by decode.
void check_names(const lang::Body& body, const std::vector<const FieldInfo*>& known,
                 lang::Diagnostics& diagnostics);
bool has_placeholder(const lang::Body& body);

}  // namespace agent::component

#include "agent/component/schema_inl.h"
