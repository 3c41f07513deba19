// Diagnostics for people and for machines.
//
//   /etc/alloy/config.alloy:3:14: error: component "loki.write.defualt.receiver" does not exist or
//   is out of scope
//     3 |     forward_to = [loki.write.defualt.receiver]
//       |                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~
//   hint: did you mean "loki.write.default"?
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/diagnostic.h"
#include "agent/lang/source.h"

namespace agent::lang {

// The Source with this file name, or null: then the lines are left out.
using FindSource = std::function<std::shared_ptr<const Source>(std::string_view file_name)>;

// One diagnostic as shown above, with a line end. Tabs of the source line are shown as blanks, so
// that the caret stands where it should whatever a terminal makes of them.
std::string render(const Diagnostic& diagnostic, const FindSource& find_source);
// In the order they have, with a closing count when there is more than one error. Of very many the
// first 200.
std::string render(const Diagnostics& diagnostics, const FindSource& find_source);
std::string render(const Diagnostics& diagnostics, const std::shared_ptr<const Source>& source);
std::string render(const Diagnostics& diagnostics,
                   const std::vector<std::shared_ptr<const Source>>& sources);

// [{"severity":"error","message":...,"hint":...,"file":...,"line":1,"column":2,"offset":1,"end_line":1,"end_column":5,
// "end_offset":4}, ...]; unknown places and empty hints are left out.
std::string render_json(const Diagnostics& diagnostics);

}  // namespace agent::lang
