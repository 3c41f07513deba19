#include "fleetctl/template/engine.h"

#include <algorithm>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

std::size_t trailing_newlines(std::string_view text) {
  const std::size_t last = text.find_last_not_of('\n');
  return last == std::string_view::npos ? text.size() : text.size() - last - 1;
}

std::vector<Place> line_places(const Output& out, const std::vector<std::string>& files,
                               int shift) {
  std::vector<Place> lines;
  std::size_t segment = 0;
  std::size_t counted = 0;  // bytes of the segment whose newlines are in `line`
  int line = 0;
  std::size_t start = 0;
  while (start < out.text.size()) {
    while (segment + 1 < out.segments.size() && out.segments[segment + 1].from <= start) {
      ++segment;
      line = 0;
    }
    Place place;
    if (segment < out.segments.size()) {
      const Output::Segment& s = out.segments[segment];
      if (line == 0) {
        line = static_cast<int>(s.line);
        counted = s.from;
      }
      if (s.moves) {
        for (; counted < start; ++counted) {
          if (out.text[counted] == '\n') ++line;
        }
      }
      place = {files[s.file], line + shift, start == s.from ? static_cast<int>(s.column) : 1};
    }
    lines.push_back(std::move(place));
    const std::size_t end = out.text.find('\n', start);
    if (end == std::string::npos) break;
    start = end + 1;
  }
  return lines;
}

// The header line that apply_header took away counts in all lines of the main file.
std::shared_ptr<Problem> shifted(std::shared_ptr<Problem> p, const std::string& name, int shift) {
  if (p->place.file == name && p->place.line > 0) p->place.line += shift;
  for (Place& place : p->through) {
    if (place.file == name && place.line > 0) place.line += shift;
  }
  return p;
}

}  // namespace

std::string Problem::text() const {
  std::string out;
  if (!place.file.empty()) out += place.file + ":";
  if (place.line > 0) {
    out += std::to_string(place.line) + ":";
    if (place.column > 0) out += std::to_string(place.column) + ":";
  }
  if (!out.empty()) out += ' ';
  out += message;
  if (!nearest.empty()) out += ", did you mean '" + nearest[0] + "'?";
  for (const Place& via : through) {
    out += "\n  in what " + via.file + ":" + std::to_string(via.line) + " calls or includes";
  }
  return out;
}

std::string Rendered::masked(std::string_view mask) const {
  std::string out;
  std::size_t done = 0;
  for (const auto& [from, to] : tainted) {
    out.append(text, done, from - done);
    out += mask;
    done = to;
  }
  out.append(text, done);
  return out;
}

Outcome<Rendered> Engine::render(std::string_view text, const std::string& name,
                                 const Variables& variables) const {
  if (text.size() > world_.limits.output_bytes)
    return problem(ProblemKind::kLimit, "the template is too large");
  const std::size_t newlines = trailing_newlines(text);
  Settings settings = settings_;
  auto header = settings.ansible ? apply_header(text, settings) : Outcome<bool>(false);
  const auto named = [&name](std::shared_ptr<Problem> p) {
    if (p->place.file.empty()) p->place.file = name;
    return pass_on(std::move(p));
  };
  if (!header) return named(std::move(header.error()));
  const int shift = *header ? 1 : 0;
  auto parsed = parse(text, name, settings);
  if (!parsed) return named(shifted(std::move(parsed.error()), name, shift));
  Interpreter interpreter(world_, registry_, variables, settings);
  Output out;
  auto done = interpreter.render(*parsed, out);
  if (!done) return named(shifted(std::move(done.error()), name, shift));
  if (settings.ansible) {
    for (std::size_t have = trailing_newlines(out.text); have < newlines; ++have)
      out.text += settings.newline_sequence;
  }
  Rendered rendered;
  rendered.lines = line_places(out, interpreter.files(), 0);
  for (Place& place : rendered.lines) {
    if (place.file == name) place.line += shift;
  }
  rendered.text = std::move(out.text);
  rendered.tainted = std::move(out.tainted);
  return rendered;
}

Outcome<Rendered> Engine::render_file(const std::string& name, const Variables& variables) const {
  if (world_.loader == nullptr)
    return problem(ProblemKind::kNotFound, "no loader for template '" + name + "'");
  auto text = world_.loader->load(name);
  if (!text)
    return problem(ProblemKind::kNotFound, "template '" + name + "': " + text.error().message);
  if (!*text) return problem(ProblemKind::kNotFound, "template not found: " + name);
  return render(**text, name, variables);
}

std::vector<Problem> Engine::undefined_names(std::string_view text, const std::string& name,
                                             const Variables& variables) const {
  std::vector<std::shared_ptr<Problem>> found;
  Settings settings = settings_;
  int shift = 0;
  const auto run = [&]() -> Outcome<> {
    TEMPLATE_TRY(header, apply_header(text, settings));
    shift = header ? 1 : 0;
    TEMPLATE_TRY(parsed, parse(text, name, settings));
    Interpreter interpreter(world_, registry_, variables, settings);
    interpreter.collect_undefined(&found);
    Output out;
    return interpreter.render(parsed, out);
  };
  auto done = run();
  if (!done) found.push_back(std::move(done.error()));
  std::vector<Problem> out;
  for (auto& p : found) out.push_back(std::move(*shifted(std::move(p), name, shift)));
  return out;
}

Outcome<value::Value> Engine::resolve(const value::Value& raw, const Variables& variables) const {
  Interpreter interpreter(world_, registry_, variables, settings_);
  return interpreter.resolve(raw);
}

Outcome<value::Value> Engine::evaluate(std::string_view expression,
                                       const Variables& variables) const {
  TEMPLATE_TRY(parsed, parse_expression(expression, settings_));
  Interpreter interpreter(world_, registry_, variables, settings_);
  TEMPLATE_TRY(v, interpreter.evaluate(*parsed));
  TEMPLATE_CHECK(interpreter.require_deep(v));
  return std::move(v);
}

}  // namespace fleetctl::template_
