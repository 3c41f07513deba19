// What a configuration makes of lines, step by step. Its form: docs/trace.md.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "agent/component/component.h"
#include "agent/model/labels.h"
#include "agent/runtime/graph.h"

namespace agent::trial {

struct TraceOptions {
  std::string component;  // that the lines are given to; "": the only source of entries
  model::Labels labels;   // of plain lines
  bool entries = false;   // each line of the input is an entry as a JSON object
  bool json = false;      // a JSON object for each line instead of text for people
  bool colour = false;
};

// Puts each line of `input` into the configuration and writes to `out` what happened to it; what
// cannot be done goes to `complaints`. True when every line could be put in.
bool trace(std::vector<runtime::SourceText> texts, const component::Registry& real,
           const TraceOptions& options, std::istream& input, std::ostream& out,
           std::ostream& complaints);

}  // namespace agent::trial
