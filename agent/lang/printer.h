// The canonical form of a configuration text, as `alloy fmt` prints it: tabs; a blank line before a
// block; "=" aligned over consecutive one-line attributes, and so are the comments behind them; at
// most one blank line; lists and calls keep the author's line breaks. Printing printed text changes
// nothing.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/lang/ast.h"
#include "agent/lang/diagnostic.h"

namespace agent::lang {

// Without a final line end. `file` must have parsed without errors.
std::string print(const File& file);

// The whole of `fmt`: parses, prints, ends with exactly one line end (an empty text stays empty).
// Only what does not parse is refused: kInvalid, the diagnostics say why.
Result<std::string> format(std::string_view text, std::string name, Diagnostics& diagnostics);

}  // namespace agent::lang
