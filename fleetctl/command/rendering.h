// Templates to text, and what is wrong with either as blocks that point into the template.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/tree.h"
#include "fleetctl/value/value.h"

namespace fleetctl::command {

class Renderer {
 public:
  explicit Renderer(Tree& tree);  // outlives the renderer
  ~Renderer();

  // The variable, or `otherwise` where there is none, with all templates in it resolved. The error
  // says where it was written.
  agent::Result<std::optional<value::Value>> resolve(const HostVariables& variables,
                                                     std::string_view name,
                                                     const value::Value* otherwise = nullptr) const;
  // Whether it holds for the host. The error begins with the place of the rule.
  agent::Result<bool> holds(const HostVariables& variables, const Rule& rule) const;
  // The text of a template file, checked, and what of it is secret. What is wrong is added to
  // `problems`, without a host; "" when it did not render.
  std::string render(HostVariables& variables, const std::filesystem::path& path,
                     const ConfigurationCheck& check, std::vector<Problem>& problems,
                     plan::Secrets& secrets) const;

 private:
  class Surroundings;
  Tree& tree_;
  std::unique_ptr<const Surroundings> for_variables_;
};

}  // namespace fleetctl::command
