// The pages for people, as files of the program: one shell for every page and the scripts that fill
// it from the JSON of agent/ui/view.h. Nothing comes from elsewhere, and every address in them is
// relative, so that they work under a path prefix.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/io/http_server.h"

namespace agent::ui {

// The answer to GET or HEAD of a page or of one of its files; nullopt for any other path.
std::optional<io::ServerReply> site(const io::ServerRequest& request);

// What every page may do: load what this program serves, and nothing else.
std::vector<std::pair<std::string, std::string>> page_headers();

}  // namespace agent::ui
