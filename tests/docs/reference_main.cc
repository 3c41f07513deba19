// docs/reference: a page per component whose tables come from the schema, and examples that the
// agent accepts.
//
//   reference check FOLDER    fails when a page is missing, its generated part is stale, or an
//   example is refused reference update FOLDER   writes the generated parts; makes missing pages
//   reference examples FILES  fails when a fenced alloy block in one of these Markdown files is
//   refused
//
// The generated part lies between the lines kBegin and kEnd. A fence marked ```alloy holds a whole
// configuration; one marked ```alloy-part holds a piece that only has to parse.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "agent/base/file.h"
#include "agent/lang/parser.h"
#include "agent/lang/rendering.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "agent/runtime/modules.h"
#include "agent/runtime/settings.h"

namespace fs = std::filesystem;

namespace agent {
namespace {

constexpr char kBegin[] = "<!-- generated from the schema: do not edit -->";
constexpr char kEnd[] = "<!-- end of the generated part -->";

using component::FieldInfo;

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\\');
  return text;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + cell(text) + "`"; }

void append_attributes(std::string& out, const std::vector<FieldInfo>& fields) {
  const bool any = std::any_of(fields.begin(), fields.end(), [](const FieldInfo& f) {
    return f.kind == FieldInfo::Kind::kAttribute;
  });
  if (!any) {
    out += "No arguments.\n\n";
    return;
  }
  out += "| Name | Type | Default | What it is |\n|---|---|---|---|\n";
  for (const FieldInfo& f : fields) {
    if (f.kind != FieldInfo::Kind::kAttribute) continue;
    out += "| " + code(f.name) + " | " + code(f.type) + " | " +
           (f.required ? "required" : code(f.default_value)) + " | " + cell(f.doc) + " |\n";
  }
  out += '\n';
}

void append_blocks(std::string& out, const std::vector<FieldInfo>& fields,
                   const std::string& path) {
  for (const FieldInfo& f : fields) {
    if (f.kind != FieldInfo::Kind::kBlock) continue;
    const std::string name = path.empty() ? f.name : path + " > " + f.name;
    out += "### " + name + "\n\n" + f.doc;
    if (f.required) out += " Required.";
    if (f.repeated) out += " May be repeated.";
    out += "\n\n";
    append_attributes(out, f.fields);
    append_blocks(out, f.fields, name);
  }
}

std::string generated(const component::Declaration& declaration) {
  std::string out = std::string(kBegin) + "\n\n## Arguments\n\n";
  const auto fields = declaration.fields();
  append_attributes(out, fields);
  if (std::any_of(fields.begin(), fields.end(),
                  [](const FieldInfo& f) { return f.kind == FieldInfo::Kind::kBlock; })) {
    out += "## Blocks\n\n";
    append_blocks(out, fields, "");
  }
  if (declaration.make == nullptr) return out + kEnd + "\n";  // an import block, a settings block
  out += "## Exports\n\n";
  if (declaration.exports.empty()) {
    out += "None.\n\n";
  } else {
    out += "| Name | Type | What it is |\n|---|---|---|\n";
    for (const auto& e : declaration.exports)
      out += "| " + code(e.name) + " | " + code(e.type) + " | " + cell(e.doc) + " |\n";
    out += '\n';
  }
  return out + kEnd + "\n";
}

struct Fence {
  std::string kind;
  std::string text;
  int line = 0;
};

std::vector<Fence> fences(const std::string& markdown) {
  std::vector<Fence> out;
  std::istringstream in(markdown);
  int number = 0;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with("```")) {
      if (!inside) out.push_back({line.substr(3), "", number});
      inside = !inside;
    } else if (inside) {
      out.back().text += line + "\n";
    }
  }
  return out;
}

int check_examples(const fs::path& path, const std::string& markdown,
                   const component::Registry& registry) {
  int bad = 0;
  for (const Fence& fence : fences(markdown)) {
    const std::string name =
        path.string() + " (the example at line " + std::to_string(fence.line) + ")";
    if (fence.kind == "alloy") {
      const auto report = runtime::check({{name, fence.text}}, registry, *runtime::unknown_world());
      if (report.ok()) continue;
      std::cerr << lang::render(report.diagnostics, report.sources.front());
      ++bad;
    } else if (fence.kind == "alloy-part") {
      lang::Diagnostics diagnostics;
      const lang::File file = lang::parse(fence.text, name, diagnostics);
      if (!diagnostics.has_errors()) continue;
      std::cerr << lang::render(diagnostics, file.source);
      ++bad;
    }
  }
  return bad;
}

// What `page` should be: its generated part replaced.
Result<std::string> renewed(const std::string& page, const component::Declaration& declaration) {
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    return fail(ErrorCode::kInvalid, "the page lacks the markers of its generated part");
  std::size_t behind = end + std::string_view(kEnd).size();
  if (behind < page.size() && page[behind] == '\n') ++behind;
  return page.substr(0, begin) + generated(declaration) + page.substr(behind);
}

int reference(const fs::path& folder, bool update, const component::Registry& registry) {
  int bad = 0;
  std::vector<component::Declaration> all_pages = registry.all();
  for (component::Declaration& import : runtime::import_kinds())
    all_pages.push_back(std::move(import));
  for (const runtime::SettingsDeclaration& settings : runtime::settings_declarations()) {
    component::Declaration page;
    page.name = settings.name;
    page.doc = settings.doc;
    page.fields = settings.fields;
    all_pages.push_back(std::move(page));
  }
  for (const component::Declaration& declaration : all_pages) {
    const fs::path path = folder / (declaration.name + ".md");
    auto page = read_file(path);
    if (!page) {
      if (!update) {
        std::cerr << path.string() << ": the component has no page\n";
        ++bad;
        continue;
      }
      page =
          "# " + declaration.name + "\n\n" + declaration.doc + "\n\n" + kBegin + "\n" + kEnd + "\n";
    }
    auto fresh = renewed(*page, declaration);
    if (!fresh) {
      std::cerr << path.string() << ": " << fresh.error().message << "\n";
      ++bad;
      continue;
    }
    if (update) {
      if (auto written = write_file_atomic(path, *fresh, 0644); !written) {
        std::cerr << written.error().message << "\n";
        ++bad;
      }
      continue;
    }
    if (*fresh != *page) {
      std::cerr << path.string() << ": the generated part is stale; run: make reference\n";
      ++bad;
    }
    const auto all = fences(*page);
    if (std::none_of(all.begin(), all.end(), [](const Fence& f) { return f.kind == "alloy"; })) {
      std::cerr << path.string() << ": the page has no example\n";
      ++bad;
    }
    bad += check_examples(path, *page, registry);
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().stem().string();
    const bool component_page = name.find('.') != std::string::npos;
    const bool known = std::any_of(all_pages.begin(), all_pages.end(),
                                   [&](const auto& page) { return page.name == name; });
    if (entry.path().extension() == ".md" && component_page && !known) {
      std::cerr << entry.path().string() << ": there is no such component\n";
      ++bad;
    }
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace agent

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2) {
    std::cerr << "usage: reference check|update FOLDER | examples FILES...\n";
    return 2;
  }
  agent::component::Registry registry;
  agent::register_components(registry);
  if (words[0] == "check" || words[0] == "update")
    return agent::reference(words[1], words[0] == "update", registry);
  int bad = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto text = agent::read_file(words[i]);
    if (!text) {
      std::cerr << text.error().message << "\n";
      ++bad;
      continue;
    }
    bad += agent::check_examples(words[i], *text, registry);
  }
  return bad == 0 ? 0 : 1;
}
