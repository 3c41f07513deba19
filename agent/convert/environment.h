// ${NAME} in a text, as Promtail's -config.expand-env=true replaces it before the YAML is read:
// ${NAME},
// ${NAME:-default}, $${ for a literal ${, and \\ for one backslash (github.com/drone/envsubst).
//
// What stands for a variable stays open: it becomes a marker, one word of the YAML, which
// Environment::code() turns into sys.env("NAME") of the configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/convert/findings.h"

namespace agent::convert {

class Environment {
 public:
  // The text with markers. What cannot be understood is found and stays as it is.
  std::string mark(std::string_view text, Findings& findings);
  // As os.Expand of Go does: $NAME and ${NAME}, $$ for one dollar. For labels of Prometheus.
  std::string mark_go(std::string_view text);

  // A place in the marked text as one of the original.
  Mark original(Mark mark) const;
  static bool has_marker(std::string_view text);
  // The text as code of the configuration language: "a" + sys.env("B").
  std::string code(std::string_view text) const;
  // The text with what the variables are now.
  std::string value(std::string_view text) const;
  // The text as it was written, for messages.
  std::string written(std::string_view text) const;

 private:
  struct Reference {
    std::string name;
    std::string fallback;
    bool has_fallback = false;
  };
  struct Piece {
    std::string_view text;  // when reference is null
    const Reference* reference = nullptr;
  };
  struct Shift {
    int line = 0;
    int column = 0;  // from here on, in the marked text
    int bytes = 0;   // to add
  };

  std::vector<Piece> pieces(std::string_view text) const;
  std::string marker(Reference reference);

  std::vector<Reference> references_;
  std::vector<Shift> shifts_;
};

// `text` as a string of the configuration language.
std::string quoted(std::string_view text);

}  // namespace agent::convert
