#include "agent/wire/go_template.h"

#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "agent/wire/go_functions.h"
#include "agent/wire/go_program.h"

namespace agent::wire {
namespace {

constexpr std::size_t kMaxOutput = 4 << 20;
constexpr int kMaxDepth = 100;
constexpr int kMaxNesting = 600;  // of blocks and pipelines, through all templates: the stack's

std::string_view parameter_name(char parameter) {
  switch (parameter) {
    case 's':
      return "string";
    case 'i':
      return "int";
    case 'f':
      return "float64";
    case 'b':
      return "bool";
    case 'm':
      return "map[string]interface {}";
    case 't':
      return "time.Time";
    default:
      return "interface {}";
  }
}

bool fits(const GoValue& value, char parameter) {
  switch (parameter) {
    case 's':
      return value.is_string();
    case 'i':
      return value.type() == GoType::kInt;
    case 'f':
      return value.type() == GoType::kFloat;
    case 'b':
      return value.type() == GoType::kBool;
    case 'm':
      return value.type() == GoType::kMap || value.is_nil();
    case 't':
      return value.type() == GoType::kTime;
    default:
      return true;
  }
}

}  // namespace

struct GoExecutor::State {
  State(const Clock& clock, std::shared_ptr<const TimeZone> local)
      : run(clock, std::move(local)), out(buffer, kMaxOutput) {}

  enum class Flow { kNext, kBreak, kContinue, kStop };

  Flow nodes(const std::vector<GoNode>& list, const GoValue& dot) {
    if (nesting == kMaxNesting) {
      fail_exhausted("the template nests too deep");
      return Flow::kStop;
    }
    ++nesting;
    Flow flow = Flow::kNext;
    for (std::size_t i = 0; i < list.size() && flow == Flow::kNext; ++i) flow = walk(list[i], dot);
    --nesting;
    return flow;
  }

  bool step(std::size_t place) {
    at = place;
    if (!run.charge(1)) return false;
    if (out.full()) fail_exhausted("the template writes more than 4 MiB");
    return !run.failed();
  }

  Flow walk(const GoNode& node, const GoValue& dot) {
    if (!step(node.at)) return Flow::kStop;
    switch (node.kind) {
      case GoNode::Kind::kText:
        out.add(node.text);
        return Flow::kNext;
      case GoNode::Kind::kAction: {
        const GoValue value = pipeline(*node.pipeline, dot);
        if (run.failed()) return Flow::kStop;
        if (!node.pipeline->variables.empty()) return Flow::kNext;
        at = node.at;
        if (value.is_nil()) {
          out.add("<no value>");
        } else {
          go_print(out, value, run.scratch());
        }
        return Flow::kNext;
      }
      case GoNode::Kind::kIf:
      case GoNode::Kind::kWith: {
        const std::size_t mark = variables.size();
        const GoValue value = pipeline(*node.pipeline, dot);
        if (run.failed()) return Flow::kStop;
        const bool with = node.kind == GoNode::Kind::kWith;
        const Flow flow = go_truth(value, run.scratch()) ? nodes(node.body, with ? value : dot)
                                                         : nodes(node.otherwise, dot);
        variables.resize(mark);
        return flow;
      }
      case GoNode::Kind::kRange:
        return range(node, dot);
      case GoNode::Kind::kTemplate:
        return call_template(node, dot);
      case GoNode::Kind::kBreak:
        return Flow::kBreak;
      case GoNode::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kStop;
  }

  Flow range(const GoNode& node, const GoValue& dot) {
    const std::size_t mark = variables.size();
    const GoValue value = pipeline(*node.pipeline, dot);
    if (run.failed()) return Flow::kStop;
    const std::size_t inner = variables.size();
    const std::size_t names = node.pipeline->variables.size();
    Flow flow = Flow::kNext;
    const auto iterate = [&](const GoValue& index, const GoValue& element) {
      if (!step(node.at)) {
        flow = Flow::kStop;
        return false;
      }
      if (names > 0) set_top(1, element);
      if (names > 1) set_top(2, index);
      flow = nodes(node.body, element);
      variables.resize(inner);
      if (flow == Flow::kContinue) flow = Flow::kNext;
      return flow == Flow::kNext;
    };
    bool any = false;
    if (value.is_list()) {
      std::int64_t index = 0;
      for (const GoValue& item : value.list()) {
        any = true;
        if (!iterate(GoValue(index++), item)) break;
      }
    } else if (value.is_map()) {
      // The body may change the map: what is iterated is a copy of it.
      const auto pairs = value.map().pairs(run.scratch());
      GoValue* const copy = run.array(pairs.size() * 2);
      if (copy == nullptr) return Flow::kStop;
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        copy[2 * i] = GoValue(pairs[i].key);
        copy[2 * i + 1] = pairs[i].value;
      }
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        any = true;
        if (!iterate(copy[2 * i], copy[2 * i + 1])) break;
      }
    } else if (value.is_integer()) {
      for (std::int64_t i = 0; i < value.integer(); ++i) {
        any = true;
        if (!iterate(GoValue(i), GoValue(i))) break;
      }
    } else if (!value.is_nil()) {
      at = node.at;
      run.fail("range cannot iterate over " + std::string(go_type_name(value.type())));
      return Flow::kStop;
    }
    if (!any) flow = nodes(node.otherwise, dot);
    variables.resize(mark);
    if (any && flow == Flow::kBreak) flow = Flow::kNext;
    return flow;
  }

  Flow call_template(const GoNode& node, const GoValue& dot) {
    const auto called = program->defined.find(node.text);
    if (called == program->defined.end()) {
      run.fail("there is no template " + json_string(node.text));
      return Flow::kStop;
    }
    if (depth == kMaxDepth) {
      fail_exhausted("templates nest deeper than 100");
      return Flow::kStop;
    }
    const GoValue value = node.pipeline == nullptr ? GoValue() : pipeline(*node.pipeline, dot);
    if (run.failed()) return Flow::kStop;
    const std::size_t outer_first = std::exchange(first_variable, variables.size());
    variables.push_back({"$", value});
    ++depth;
    const Flow flow = nodes(called->second, value);
    --depth;
    variables.resize(first_variable);
    first_variable = outer_first;
    return flow;
  }

  void set_top(std::size_t n, const GoValue& value) {
    variables[variables.size() - n].second = value;
  }

  GoValue fail_exhausted(std::string message) {
    exhausted = true;
    return run.fail(std::move(message));
  }

  GoValue pipeline(const GoPipeline& pipeline, const GoValue& dot) {
    if (nesting == kMaxNesting) return fail_exhausted("the template nests too deep");
    ++nesting;
    GoValue value;
    bool has_value = false;
    for (const GoCommand& command : pipeline.commands) {
      value = this->command(command, dot, has_value ? &value : nullptr);
      has_value = true;
      if (run.failed()) break;
    }
    --nesting;
    if (run.failed()) return {};
    for (const std::string& name : pipeline.variables) {
      if (!pipeline.assigns) {
        variables.emplace_back(name, value);
        continue;
      }
      if (GoValue* const variable = find_variable(name)) {
        *variable = value;
      } else {
        run.fail("undefined variable " + name);
      }
    }
    return value;
  }

  GoValue* find_variable(std::string_view name) {
    for (std::size_t i = variables.size(); i > first_variable; --i)
      if (variables[i - 1].first == name) return &variables[i - 1].second;
    return nullptr;
  }

  GoValue command(const GoCommand& command, const GoValue& dot, const GoValue* final) {
    const GoTerm& first = command.terms.front();
    if (!step(first.at)) return {};
    if (first.kind == GoTerm::Kind::kFunction && first.fields.empty())
      return call(*first.function, first.at, command.terms, dot, final);
    const bool arguments = command.terms.size() > 1 || final != nullptr;
    if (first.kind == GoTerm::Kind::kNil) return run.fail("nil is no command");
    if (arguments && !first.fields.empty()) return method_with_arguments(command, dot, final);
    if (arguments) return run.fail("what is no function takes no arguments");
    return term(first, dot);
  }

  // Times have one method with an argument.
  GoValue method_with_arguments(const GoCommand& command, const GoValue& dot,
                                const GoValue* final) {
    const GoTerm& first = command.terms.front();
    const GoValue receiver = base_of(first, dot, first.fields.size() - 1);
    if (run.failed()) return {};
    at = first.at;
    if (receiver.type() != GoType::kTime || first.fields.back() != "Format")
      return run.fail("." + first.fields.back() + " is no method but has arguments");
    if (command.terms.size() - 1 + (final != nullptr ? 1 : 0) != 1)
      return run.fail("Format takes one argument");
    const GoValue layout = final != nullptr ? *final : argument(command.terms[1], 's', dot);
    if (run.failed()) return {};
    if (!layout.is_string()) return run.fail("Format takes a string");
    return format(receiver.time(), layout.string());
  }

  GoValue format(const GoTime& time, std::string_view layout) {
    if (!run.charge_bytes(layout.size() * 16)) return {};
    std::string text;
    append_time(text, layout, time.seconds, time.nanoseconds, *time.zone);
    return run.string(text);
  }

  // The value of a term, without arguments.
  GoValue term(const GoTerm& t, const GoValue& dot) { return base_of(t, dot, t.fields.size()); }

  // The same with the first `fields` of its fields.
  GoValue base_of(const GoTerm& t, const GoValue& dot, std::size_t fields) {
    GoValue value;
    switch (t.kind) {
      case GoTerm::Kind::kDot:
      case GoTerm::Kind::kField:
        value = dot;
        break;
      case GoTerm::Kind::kNil:
        return {};
      case GoTerm::Kind::kBool:
        return GoValue(t.boolean);
      case GoTerm::Kind::kNumber:
        return t.floats ? GoValue(t.number) : GoValue(t.integer);
      case GoTerm::Kind::kString:
        return GoValue(std::string_view(t.text));
      case GoTerm::Kind::kVariable: {
        GoValue* const variable = find_variable(t.text);
        if (variable == nullptr) return run.fail("undefined variable " + t.text);
        value = *variable;
        break;
      }
      case GoTerm::Kind::kFunction:
        value = call(*t.function, t.at, {}, dot, nullptr);
        break;
      case GoTerm::Kind::kPipeline:
        value = pipeline(*t.pipeline, dot);
        break;
    }
    bool null_member = false;
    for (std::size_t i = 0; i < fields && !run.failed(); ++i)
      value = field(value, t.fields[i], null_member);
    return value;
  }

  // What is missing has no fields, and that is no error; of a member that is null they are one.
  GoValue field(const GoValue& value, std::string_view name, bool& null_member) {
    if (null_member) return run.fail("cannot read ." + std::string(name) + " of nil");
    if (value.is_nil()) return {};
    if (value.is_map()) {
      const GoValue* const found = value.map().find(name, run.scratch());
      null_member = found != nullptr && found->is_nil();
      return found == nullptr ? GoValue() : *found;
    }
    if (value.type() == GoType::kTime) return time_method(value.time(), name);
    return run.fail("cannot read ." + std::string(name) + " of a " +
                    std::string(go_type_name(value.type())));
  }

  GoValue time_method(const GoTime& time, std::string_view name) {
    const auto number = [&](std::string_view layout) {
      std::string text;
      append_time(text, layout, time.seconds, time.nanoseconds, *time.zone);
      return GoValue(std::int64_t{std::stoll(text)});
    };
    if (name == "Unix") return GoValue(time.seconds, GoType::kInt64);
    if (name == "UnixMilli" || name == "UnixNano") {
      const std::int64_t unit = name == "UnixNano" ? 1 : 1'000'000;  // nanoseconds
      std::int64_t count = 0;
      if (__builtin_mul_overflow(time.seconds, 1'000'000'000 / unit, &count) ||
          __builtin_add_overflow(count, time.nanoseconds / unit, &count))
        return run.fail("the time is out of range");
      return GoValue(count, GoType::kInt64);
    }
    if (name == "Year") return number("2006");
    if (name == "Day") return number("2");
    if (name == "Hour") return number("15");
    if (name == "Minute") return number("4");
    if (name == "Second") return number("5");
    if (name == "YearDay") return number("002");
    if (name == "Nanosecond") return GoValue(std::int64_t{time.nanoseconds});
    if (name == "UTC") return run.time(time.seconds, time.nanoseconds, &run.zone("UTC"));
    if (name == "String") return format(time, "2006-01-02 15:04:05.999999999 -0700 MST");
    return run.fail("a time has no method " + std::string(name) + " here");
  }

  GoValue argument(const GoTerm& t, char parameter, const GoValue& dot) {
    if (!step(t.at)) return {};
    const auto mismatch = [&](std::string_view got) {
      return run.fail("expected " + std::string(parameter_name(parameter)) + ", got " +
                      std::string(got));
    };
    switch (t.kind) {
      case GoTerm::Kind::kNil:
        return parameter == 'a' || parameter == 'm' ? GoValue() : mismatch("nil");
      case GoTerm::Kind::kBool:
        if (parameter != 'a' && parameter != 'b') return mismatch("bool");
        return GoValue(t.boolean);
      case GoTerm::Kind::kString:
        if (parameter != 'a' && parameter != 's') return mismatch("string");
        return GoValue(std::string_view(t.text));
      case GoTerm::Kind::kNumber:
        if (parameter == 'i' && t.is_int) return GoValue(t.integer);
        if (parameter == 'f') return GoValue(t.number);
        if (parameter != 'a') return mismatch("a number");
        return t.floats ? GoValue(t.number) : GoValue(t.integer);
      default: {
        const GoValue value = term(t, dot);
        at = t.at;
        return checked(value, parameter);
      }
    }
  }

  GoValue checked(const GoValue& value, char parameter) {
    if (run.failed() || fits(value, parameter)) return value;
    return run.fail("expected " + std::string(parameter_name(parameter)) + ", got " +
                    (value.is_nil() ? "no value" : std::string(go_type_name(value.type()))));
  }

  // `terms` begins with the function itself, where there are arguments at all.
  GoValue call(const GoFunction& function, std::size_t place, std::span<const GoTerm> terms,
               const GoValue& dot, const GoValue* final) {
    const std::string_view parameters = function.parameters;
    const bool variadic = parameters.ends_with('*');
    const std::size_t fixed = variadic ? parameters.size() - 2 : parameters.size();
    const std::size_t given = terms.empty() ? 0 : terms.size() - 1;
    const std::size_t count = given + (final != nullptr ? 1 : 0);
    if (variadic ? count < fixed : count != fixed)
      return run.fail(std::string(function.name) + " takes " + (variadic ? "at least " : "") +
                      std::to_string(fixed) + " argument" + (fixed == 1 ? "" : "s") + ", got " +
                      std::to_string(count));
    const auto parameter = [&](std::size_t i) {
      return i < fixed ? parameters[i] : parameters[parameters.size() - 2];
    };
    if (function.call == nullptr) {  // and, or: they look no further than they must
      GoValue value;
      for (std::size_t i = 0; i < given; ++i) {
        value = argument(terms[i + 1], 'a', dot);
        if (run.failed() || go_truth(value, run.scratch()) == (function.name == "or")) return value;
      }
      return final != nullptr ? *final : value;
    }
    const std::size_t base = stack.size();
    for (std::size_t i = 0; i < given && !run.failed(); ++i) {
      const GoValue value = argument(terms[i + 1], parameter(i), dot);
      stack.push_back(value);
    }
    if (!run.failed()) at = place;
    if (final != nullptr && !run.failed()) stack.push_back(checked(*final, parameter(given)));
    GoValue result;
    if (!run.failed()) {
      const GoArguments arguments(stack.data() + base, count);
      std::size_t bytes = 0;
      for (const GoValue& value : arguments)
        if (value.is_string()) bytes += value.string().size();
      if (run.charge_bytes(bytes)) result = function.call(run, arguments);
      if (run.failed() && at == place && !named) {
        named = true;
        failed_in = function.name;
      }
    }
    stack.resize(base);
    return result;
  }

  GoRun run;
  std::string buffer;
  GoText out;
  const GoProgram* program = nullptr;
  std::vector<std::pair<std::string_view, GoValue>> variables;
  std::size_t first_variable = 0;
  std::vector<GoValue> stack;
  std::size_t at = 0;
  int depth = 0;  // of templates
  int nesting = 0;
  bool exhausted = false;
  bool named = false;
  std::string_view failed_in;  // the function that gave the error
};

GoExecutor::GoExecutor(const Clock& clock, std::shared_ptr<const TimeZone> local)
    : state_(std::make_unique<State>(clock, std::move(local))) {}
GoExecutor::~GoExecutor() = default;
GoExecutor::GoExecutor(GoExecutor&&) noexcept = default;

Result<std::string_view> GoExecutor::execute(const GoTemplate& program, GoData& data,
                                             bool goes_on) {
  constexpr std::size_t kKept = 1 << 16;  // a buffer that one large text has grown is given back
  State& s = *state_;
  if (s.buffer.capacity() > kKept) s.buffer = std::string();
  s.buffer.clear();
  s.out = GoText(s.buffer, kMaxOutput);
  s.run.reset(goes_on);
  s.variables.clear();
  s.stack.clear();
  s.first_variable = 0;
  s.depth = s.nesting = 0;
  s.exhausted = s.named = false;
  s.failed_in = {};
  s.program = &program.program();
  GoMap root(data);
  const GoValue dot(&root);
  s.variables.emplace_back("$", dot);
  s.nodes(s.program->root, dot);
  if (!s.run.failed() && s.out.full()) s.fail_exhausted("the template writes more than 4 MiB");
  if (s.run.failed()) {
    std::string message = s.program->place(s.at) + ": ";
    if (s.named) message.append(s.failed_in).append(": ");
    return fail(s.exhausted || s.run.exhausted() ? ErrorCode::kExhausted : ErrorCode::kInvalid,
                message + s.run.message());
  }
  return s.buffer;
}

}  // namespace agent::wire
