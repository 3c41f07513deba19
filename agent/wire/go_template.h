// Go's text templates with the functions that Alloy gives them: "{{ .level | ToUpper }}: {{ .Entry
// }}". Source: the documentation of Go's package text/template, of sprig 3, and Alloy's reference
// page of loki.process. docs/reference/templates.md lists the functions, what is bounded, and what
// differs.
//
// template := { text | "{{" action "}}" }        "{{- " and " -}}" take the white space beside them
// away action   := pipeline | "if" pipeline | "else" [ "if" | "with" pipeline ] | "with" pipeline |
// "end"
//           | "range" [ $i [ "," $e ] ":=" ] pipeline | "break" | "continue" | "/*" comment "*/"
//           | "define" name | "template" name [ pipeline ] | "block" name pipeline
// pipeline := [ $x ( ":=" | "=" ) ] command { "|" command }        command := operand { " " operand
// } operand  := ( "." | $x | .name | constant | function | "(" pipeline ")" ) { .name }
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/wire/go_value.h"
#include "agent/wire/time_layout.h"

namespace agent::wire {

struct GoProgram;

// A template, understood. Immutable; copies share.
class GoTemplate {
 public:
  struct Options {
    bool calls = false;  // `name("a", 1)` means `name "a" 1`
  };
  // kInvalid: "line 1, column 8: what is wrong".
  static Result<GoTemplate> parse(std::string_view text, Options options);
  static Result<GoTemplate> parse(std::string_view text) { return parse(text, Options()); }

  // Whether a field is read somewhere (".name", "$.name").
  bool reads_fields() const;
  const GoProgram& program() const { return *program_; }

 private:
  explicit GoTemplate(std::shared_ptr<const GoProgram> program) : program_(std::move(program)) {}
  std::shared_ptr<const GoProgram> program_;
};

// Executes templates, one after the other; keeps its buffers between them. One thread at a time.
//
// However a template is written, an execution ends: it may use 8 MiB, write 4 MiB, take a million
// steps (long texts count as several) and nest 100 templates.
class GoExecutor {
 public:
  // `clock` outlives it; `local` is the zone of times without one, by default this machine's.
  explicit GoExecutor(const Clock& clock, std::shared_ptr<const TimeZone> local = nullptr);
  ~GoExecutor();
  GoExecutor(GoExecutor&&) noexcept;

  // What the template writes, valid until the next call. kInvalid: an error in it, with the place;
  // kExhausted: a bound was reached.
  // The steps that the last execution took count too when this one `goes_on` with its work.
  Result<std::string_view> execute(const GoTemplate& program, GoData& data, bool goes_on = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agent::wire
