// Values of the language -> C++ values, with the language's conversions (alloy-notes: numbers
// become strings, strings become numbers, durations and byte sizes; bools never convert).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/component/receiver.h"
#include "agent/lang/diagnostic.h"
#include "agent/lang/value.h"
#include "agent/model/labels.h"

namespace agent::component {

// A size in bytes: "1MiB".
struct ByteSize {
  std::int64_t bytes = 0;
  bool operator==(const ByteSize&) const = default;
};

// In the order of the source; keys unique.
using StringMap = std::vector<std::pair<std::string, std::string>>;
using StringListMap = std::vector<std::pair<std::string, std::vector<std::string>>>;

// Specialise it for a type of your own: type_name(), text() and decode(). decode() says whether
// `out` was set, and reports why not. A placeholder of a fitting type leaves `out` as it is.
template <class T>
struct Decoder;

#define AGENT_DECODER(T)                                                         \
  template <>                                                                    \
  struct Decoder<T> {                                                            \
    static std::string type_name();                                              \
    static std::string text(const T& value);                                     \
    static bool decode(const lang::Value& value, const lang::Span& span, T& out, \
                       lang::Diagnostics& diagnostics);                          \
  }
AGENT_DECODER(bool);
AGENT_DECODER(std::int64_t);
AGENT_DECODER(double);
AGENT_DECODER(std::string);
AGENT_DECODER(Secret);
AGENT_DECODER(Duration);
AGENT_DECODER(ByteSize);
AGENT_DECODER(StringMap);
AGENT_DECODER(StringListMap);
AGENT_DECODER(lang::Value);
AGENT_DECODER(std::vector<model::Target>);
#undef AGENT_DECODER

// Targets as an export carries them: a list of objects of strings.
lang::Value targets_value(const std::vector<model::Target>& targets);

// True when `value` is a placeholder that may become a `type`; reports one that cannot.
bool accept_placeholder(const lang::Value& value, std::string_view type, const lang::Span& span,
                        lang::Diagnostics& diagnostics);
// "expected string, got list" with the place.
void report_mismatch(std::string_view expected, const lang::Value& got, const lang::Span& span,
                     lang::Diagnostics& diagnostics);

// The name under which a C++ type travels as a capsule. Specialise: `static constexpr
// std::string_view kName`.
template <class T>
struct CapsuleName;
template <>
struct CapsuleName<LogReceiver> {
  static constexpr std::string_view kName = "LogsReceiver";
};
template <>
struct CapsuleName<MetricsReceiver> {
  static constexpr std::string_view kName = "MetricsReceiver";
};

template <class T>
lang::Value capsule(std::shared_ptr<T> object) {
  return lang::Value(lang::Capsule{CapsuleName<T>::kName, std::move(object)});
}

template <class T>
struct Decoder<std::shared_ptr<T>> {
  static std::string type_name() { return std::string(CapsuleName<T>::kName); }
  static std::string text(const std::shared_ptr<T>& value) {
    return value == nullptr ? "" : "capsule(\"" + type_name() + "\")";
  }
  static bool decode(const lang::Value& value, const lang::Span& span, std::shared_ptr<T>& out,
                     lang::Diagnostics& diagnostics) {
    if (value.is_placeholder()) {
      accept_placeholder(value, CapsuleName<T>::kName, span, diagnostics);
      return false;
    }
    if (value.kind() != lang::Value::Kind::kCapsule ||
        value.capsule().type != CapsuleName<T>::kName) {
      report_mismatch(CapsuleName<T>::kName, value, span, diagnostics);
      return false;
    }
    out = std::static_pointer_cast<T>(value.capsule().object);
    return true;
  }
};

template <class T>
struct Decoder<std::optional<T>> {
  static std::string type_name() { return Decoder<T>::type_name(); }
  static std::string text(const std::optional<T>& value) {
    return value ? Decoder<T>::text(*value) : "";
  }
  static bool decode(const lang::Value& value, const lang::Span& span, std::optional<T>& out,
                     lang::Diagnostics& diagnostics) {
    T inner{};
    if (!Decoder<T>::decode(value, span, inner, diagnostics)) return false;
    out = std::move(inner);
    return true;
  }
};

template <class T>
struct Decoder<std::vector<T>> {
  static std::string type_name() { return "list(" + Decoder<T>::type_name() + ")"; }
  static std::string text(const std::vector<T>& values) {
    std::string out = "[";
    for (const T& value : values) {
      if (out.size() > 1) out += ", ";
      out += Decoder<T>::text(value);
    }
    return out + "]";
  }
  static bool decode(const lang::Value& value, const lang::Span& span, std::vector<T>& out,
                     lang::Diagnostics& diagnostics) {
    if (value.is_placeholder()) {
      accept_placeholder(value, type_name(), span, diagnostics);
      return false;
    }
    if (value.kind() != lang::Value::Kind::kList) {
      report_mismatch(type_name(), value, span, diagnostics);
      return false;
    }
    std::vector<T> items;
    items.reserve(value.list().size());
    bool good = true;
    for (const lang::Value& element : value.list()) {
      T item{};
      if (Decoder<T>::decode(element, span, item, diagnostics)) {
        items.push_back(std::move(item));
      } else {
        good = false;
      }
    }
    out = std::move(items);
    return good;
  }
};

}  // namespace agent::component
