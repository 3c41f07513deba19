// What every component owes the runtime, asked of all of them.
#include <catch2/catch.hpp>
#include <set>

#include "agent/registration.h"
#include "tests/support/component_box.h"

namespace agent {

TEST_CASE("contract: a component has all its exports as soon as it exists") {
  component::Registry registry;
  register_components(registry);
  REQUIRE(registry.all().size() >= 12);
  for (const component::Declaration& declaration : registry.all()) {
    INFO(declaration.name);
    ComponentBox box(declaration.name + ".x");
    const auto made = declaration.make(box.host());
    for (const component::ExportInfo& info : declaration.exports) {
      INFO(info.name);
      CHECK_FALSE(box.exported(info.name).is_null());
    }
  }
}

TEST_CASE("contract: every component and argument says what it is") {
  component::Registry registry;
  register_components(registry);
  std::set<std::string> names;
  const std::function<void(const std::vector<component::FieldInfo>&)> check_docs =
      [&](const auto& fields) {
        for (const component::FieldInfo& field : fields) {
          INFO(field.name);
          CHECK(field.doc.size() > 5);
          CHECK((field.doc.back() == '.'));
          check_docs(field.fields);
        }
      };
  for (const component::Declaration& declaration : registry.all()) {
    INFO(declaration.name);
    CHECK(names.insert(declaration.name).second);
    CHECK(declaration.doc.back() == '.');
    check_docs(declaration.fields());
  }
}

}  // namespace agent
