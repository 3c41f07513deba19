// Renders templates as Ansible's template module would, and variables as Ansible reads them.
//
//   Engine engine(world, settings);
//   auto rendered = engine.render(text, "web/config.alloy.j2", variables);
//
// An Engine is immutable and may be used by several threads at once, each call on a stack of at
// least 4 MiB.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/template/settings.h"
#include "fleetctl/template/world.h"
#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

struct Rendered {
  std::string text;
  // Where each line of `text` comes from: the place of its first byte.
  std::vector<Place> lines;
  // Byte ranges [from, to) that came from secrets.
  std::vector<std::pair<std::size_t, std::size_t>> tainted;

  // `text` with each secret range replaced by `mask`.
  std::string masked(std::string_view mask = "<secret>") const;
};

class Engine {
 public:
  // What `world` points to must outlive the engine.
  explicit Engine(World world, Settings settings = {})
      : world_(std::move(world)), settings_(std::move(settings)) {}

  // A template file's text. `name` is used in messages and as the first entry of the line map.
  Outcome<Rendered> render(std::string_view text, const std::string& name,
                           const Variables& variables) const;
  // The same through the world's loader.
  Outcome<Rendered> render_file(const std::string& name, const Variables& variables) const;
  // All uses of undefined names (statements that use one are skipped), or the other problem that
  // ended it.
  std::vector<Problem> undefined_names(std::string_view text, const std::string& name,
                                       const Variables& variables) const;

  // A variable's value with its strings rendered, as a template that names it would see it.
  Outcome<value::Value> resolve(const value::Value& raw, const Variables& variables) const;
  // An expression without braces (`when:`, --filter).
  Outcome<value::Value> evaluate(std::string_view expression, const Variables& variables) const;

 private:
  World world_;
  Settings settings_;
  Registry registry_;
};

}  // namespace fleetctl::template_
