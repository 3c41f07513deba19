// One mapping of the YAML while it is read: who takes a key converts it, and what nobody took is
// found. Fields have Go's types: a number may be written with quotes, a bool as yes or on.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/convert/environment.h"
#include "agent/convert/findings.h"
#include "agent/convert/output.h"
#include "agent/convert/yaml_tree.h"

namespace agent::convert {

// What a conversion works on. Not for several threads.
struct Context {
  Findings findings;
  Environment environment;
  Output output;
  std::map<std::string, int>
      labels;  // of components, each given once; and the last number behind it

  void info(Mark mark, std::string message) {
    findings.add(Severity::kInfo, mark, std::move(message));
  }
  void warn(Mark mark, std::string message) {
    findings.add(Severity::kWarn, mark, std::move(message));
  }
  void error(Mark mark, std::string message) {
    findings.add(Severity::kError, mark, std::move(message));
  }
  void critical(Mark mark, std::string message) {
    findings.add(Severity::kCritical, mark, std::move(message));
  }
  // An unused label for components that is as near to `wanted` as a label can be.
  std::string label(std::string_view wanted);
};

enum class As {
  kText,
  kSecret,  // a text that findings never show
  kNumber,
  kBool,
  kDuration,   // 1d, 30s, 500ms
  kSize,       // 256kb, 2M, 1048576; units of 1024
  kByteCount,  // the same, as a number
  kTexts,      // a list of texts; one text is a list of one
  kMap,        // names and texts; null is an empty text
  kHeaders,    // the same, secret
  kLists,      // names and lists of texts
  kSecrets,    // the same, secret
};

struct Carry {
  std::string_view key;
  As as = As::kText;
  std::string_view name = {};  // of the argument, when it is another
};

// The value as code; nothing, and a finding, when it is not what it should be.
std::optional<std::string> code_of(Context& context, const Node& node, As as);
// A scalar with what variables are now, "" when it is none; and as a bool.
std::string text_of(Context& context, const Node& node);
bool bool_of(Context& context, const Node& node, bool otherwise);
// With days, weeks and years, as Prometheus has them.
std::optional<Duration> duration_of(std::string_view text);

class Section {
 public:
  // `what` names it in findings: "the job", "tls_config". What is no mapping is found.
  Section(Context& context, const Node& node, std::string_view what);

  // Null when it is absent or null. Taking marks it as known.
  const Node* take(std::string_view key);
  // The key's own place.
  Mark mark(std::string_view key) const;
  // Known, and rightly nothing becomes of it.
  void skip(std::initializer_list<std::string_view> keys);
  // A finding if it is there.
  void tell(Severity severity, std::string_view key, const std::string& message);
  // Each one that is there becomes an argument of the open block.
  void carry(std::initializer_list<Carry> carries);
  // The text of a key, with what variables are now.
  std::string text(std::string_view key);
  bool flag(std::string_view key, bool otherwise);
  // Finds what was not taken.
  void finish();

  const Node& node() const { return node_; }

 private:
  Context& context_;
  const Node& node_;
  std::string what_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace agent::convert
