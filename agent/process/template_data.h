// What the templates of stages see: the extracted values as texts, and a few names beside them.
#pragma once

#include <optional>
#include <string_view>

#include "agent/process/stage.h"
#include "agent/wire/go_value.h"

namespace agent::process {

// Every extracted value that has a text, and above them `.Value` and `.Entry` where they are given.
// References are held for one execution; texts of numbers are put into `arena`.
class TemplateData final : public wire::GoData {
 public:
  TemplateData(const Item& item, model::Arena& arena) : item_(item), arena_(arena) {}
  std::optional<std::string_view> value;
  std::optional<std::string_view> entry;

  wire::GoValue find(std::string_view key, wire::GoScratch& scratch) override;
  void all(std::vector<Pair>& out, wire::GoScratch& scratch) override;

 private:
  const Item& item_;
  model::Arena& arena_;
};

}  // namespace agent::process
