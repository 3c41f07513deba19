#include "agent/process/stage.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "agent/base/strings.h"
#include "agent/component/tap.h"
#include "agent/model/expression.h"

namespace agent::process {

// Generated from stages/CMakeLists.txt.
std::vector<StageDeclaration> all_stages();

Item::Item(const model::Entry& entry)
    : labels(entry.labels),
      time_ns(entry.time_ns),
      line(entry.line),
      metadata(entry.metadata.begin(), entry.metadata.end()),
      context(entry.context),
      initial_labels_(entry.labels) {}

std::string_view Item::initial(std::string_view name) const {
  const std::string_view label = initial_labels_.get(name);
  return label.empty() ? context.get(name) : label;
}

void Item::set(std::string_view name, Extracted value) {
  for (Pair& pair : extracted_) {
    if (pair.name != name) continue;
    pair.value = value;
    pair.removed = false;
    return;
  }
  extracted_.push_back({name, value, false});
}

void Item::set_metadata(std::string_view name, std::string_view value) {
  for (model::MetadataPair& pair : metadata) {
    if (pair.name != name) continue;
    pair.value = value;
    return;
  }
  metadata.push_back({name, value});
}

void Item::remove(std::string_view name) {
  for (Pair& pair : extracted_) {
    if (pair.name != name) continue;
    pair.removed = true;
    return;
  }
  if (!initial(name).empty()) extracted_.push_back({name, {}, true});
}

std::optional<Extracted> Item::find(std::string_view name) const {
  for (const Pair& pair : extracted_) {
    if (pair.name != name) continue;
    if (pair.removed) return std::nullopt;
    return pair.value;
  }
  const std::string_view value = initial(name);
  if (value.empty()) return std::nullopt;
  return Extracted(value);
}

std::vector<std::pair<std::string_view, Extracted>> Item::all_extracted() const {
  std::vector<std::pair<std::string_view, Extracted>> out;
  const auto add = [&](const model::Label& label) {
    const bool shadowed = std::any_of(extracted_.begin(), extracted_.end(),
                                      [&](const Pair& pair) { return pair.name == label.name; });
    if (!shadowed) out.emplace_back(label.name, std::string_view(label.value));
  };
  for (const model::Label& label : initial_labels_.labels()) add(label);
  for (const model::Label& label : context.labels())
    if (initial_labels_.get(label.name).empty()) add(label);
  for (const Pair& pair : extracted_)
    if (!pair.removed) out.emplace_back(pair.name, pair.value);
  return out;
}

component::Sighting Item::sighting(model::Arena& arena) const {
  component::Sighting out;
  out.time_ns = time_ns;
  out.line = line;
  component::append_labels(out.labels, labels);
  for (const model::MetadataPair& pair : metadata) out.metadata.emplace_back(pair.name, pair.value);
  for (const auto& [name, value] : all_extracted()) {
    const auto text = to_text(value, arena);
    if (text && *text == labels.get(name) && *text == initial_labels_.get(name)) continue;
    out.extracted.emplace_back(name, text ? *text : "null");
  }
  return out;
}

Batch::Batch(model::EntryBatch entries) {
  receipts = entries.take_receipts();
  arena = std::move(entries.arena);
  items.reserve(entries.entries.size());
  // A stage may make a label's value the line, which is then a view of the label set.
  const auto sets = std::make_shared<std::vector<model::LabelSet>>();
  const Item* last = nullptr;
  for (const model::Entry& entry : entries.entries) {
    if (last == nullptr || !(last->labels == entry.labels)) sets->push_back(entry.labels);
    if (last == nullptr || !(last->context == entry.context)) sets->push_back(entry.context);
    last = &items.emplace_back(entry);
    items.back().receipts_ = static_cast<std::uint32_t>(receipts.size());
  }
  arena.adopt(sets, 0);
}

void Batch::append(Batch other) {
  const auto shift = static_cast<std::uint32_t>(receipts.size());
  items.reserve(items.size() + other.items.size());
  for (Item& item : other.items) {
    item.first_receipt_ += shift;
    items.push_back(std::move(item));
  }
  std::move(other.receipts.begin(), other.receipts.end(), std::back_inserter(receipts));
  arena.merge(other.arena);
}

Batch Batch::split(std::size_t count) {
  const auto end = items.begin() + static_cast<std::ptrdiff_t>(count);
  Batch first;
  first.items.assign(std::make_move_iterator(items.begin()), std::make_move_iterator(end));
  items.erase(items.begin(), end);
  first.arena = arena.share();
  first.receipts.reserve(receipts.size());
  for (const model::Receipt& receipt : receipts) first.receipts.push_back(receipt.share());
  return first;
}

void Batch::for_matching(const std::function<bool(const Item&)>& matches,
                         const std::function<void(Batch&)>& use) {
  std::vector<Item> result;
  result.reserve(items.size());
  for (std::size_t i = 0; i < items.size();) {
    if (!matches(items[i])) {
      result.push_back(std::move(items[i++]));
      continue;
    }
    Batch run;
    while (i < items.size() && matches(items[i])) run.items.push_back(std::move(items[i++]));
    run.arena = std::move(arena);
    run.receipts = std::move(receipts);
    use(run);
    arena = std::move(run.arena);
    receipts = std::move(run.receipts);
    std::move(run.items.begin(), run.items.end(), std::back_inserter(result));
  }
  items = std::move(result);
}

void Batch::remove_dropped() {
  items.erase(
      std::remove_if(items.begin(), items.end(), [](const Item& item) { return item.dropped; }),
      items.end());
}

std::optional<std::string_view> to_text(const Extracted& value, model::Arena& arena) {
  char buffer[32];
  const auto store = [&](const char* end) {
    return arena.store(std::string_view(buffer, static_cast<std::size_t>(end - buffer)));
  };
  if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value))
    return store(std::to_chars(buffer, buffer + sizeof buffer, *integer).ptr);
  if (const auto* number = std::get_if<double>(&value)) {
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number > 0 ? "+Inf" : "-Inf";
    return arena.store(plain_number(*number));
  }
  return std::nullopt;
}

std::optional<double> to_number(const Extracted& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    double number = 0;
    std::string_view digits = *text;
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (!digits.empty() && error == std::errc() && end == digits.data() + digits.size())
      return number;
  }
  return std::nullopt;
}

std::optional<std::string_view> to_label_value(const Extracted& value, model::Arena& arena) {
  const auto text = to_text(value, arena);
  if (text && !is_valid_utf8(*text)) return arena.store(to_valid_utf8(*text));
  return text;
}

std::optional<std::string_view> source_text(const Item& item, std::string_view source,
                                            model::Arena& arena) {
  if (source.empty()) return item.line;
  const auto value = item.find(source);
  return value ? to_text(*value, arena) : std::nullopt;
}

void check_expression(const std::string& expression, const lang::Body& body,
                      std::string_view argument, lang::Diagnostics& diagnostics) {
  if (const auto compiled = model::Expression::compile(expression); !compiled)
    diagnostics.error(body.span_of(argument), compiled.error().message);
}

void check_label_names(const component::StringMap& values, const lang::Body& body,
                       lang::Diagnostics& diagnostics) {
  for (const auto& [name, value] : values)
    if (!model::is_valid_label_name(name))
      diagnostics.error(body.span_of("values"), json_string(name) + " is not a valid label name");
}

StageHost::StageHost(std::string id, Clock& the_clock, Log the_log, component::Metrics the_metrics,
                     model::Interner& interner)
    : component_id(std::move(id)),
      clock(the_clock),
      log(std::move(the_log)),
      metrics(std::move(the_metrics)),
      labels(interner),
      held(metrics.gauge("loki_process_held_lines",
                         "Lines that stages keep back until others come.")),
      joined(metrics.counter("loki_process_joined_lines_total",
                             "Lines that became a part of another line.")) {}

component::Counter StageHost::counter(std::string_view name, std::string_view help,
                                      model::Labels with) const {
  return counters->emplace_back(metrics.counter(name, help, std::move(with)));
}

component::Counter StageHost::dropped(std::string_view why) const {
  if (reason != nullptr) *reason = why;
  return counter("loki_process_dropped_lines_total", "Lines that a stage dropped.",
                 {{"reason", std::string(why)}});
}

std::vector<StageDeclaration> stage_declarations(bool nested) {
  std::vector<StageDeclaration> stages = all_stages();
  if (nested) {
    // Stages nest without end; their tables do not.
    for (StageDeclaration& stage : stages)
      stage.fields = [] { return std::vector<component::FieldInfo>(); };
  }
  return stages;
}

Pipeline::Pipeline(const std::vector<StageSpec>& specs, const StageHost& host)
    : tap_(host.tap), gone_(host.gone), outermost_(host.gone == nullptr) {
  if (outermost_) gone_ = std::make_shared<std::vector<std::uint32_t>>();
  steps_.reserve(specs.size());
  for (const StageSpec& spec : specs) {
    StageHost own = host;
    own.at = host.at + (host.at.empty() ? "" : "/") + std::to_string(steps_.size() + 1) + "." +
             std::string(spec.name);
    own.reason = std::make_shared<std::string>();
    own.gone = gone_;
    steps_.push_back({spec.make(own), own.at, own.reason});
  }
}

bool Pipeline::watched() const { return tap_ != nullptr && tap_->watched(); }

void Pipeline::process(Batch& batch) {
  if (outermost_ && watched()) {
    gone_->clear();
    for (Item& item : batch.items) item.number = tap_->next_entry();
    show("in", batch, {});
  }
  process_from(0, batch);
}

void Pipeline::process_from(std::size_t first, Batch& batch) {
  if (watched()) return process_watched(first, batch);
  for (std::size_t i = first; i < steps_.size() && !batch.items.empty(); ++i) {
    steps_[i].stage->process(batch);
    batch.remove_dropped();
  }
}

void Pipeline::process_watched(std::size_t first, Batch& batch) {
  struct Before {
    std::uint32_t number;
    std::string_view line;  // in the batch's arena
    model::LabelSet labels;
  };
  std::vector<Before> before;
  std::vector<std::uint32_t> left;
  for (std::size_t i = first; i < steps_.size() && !batch.items.empty(); ++i) {
    const Step& step = steps_[i];
    before.clear();
    for (const Item& item : batch.items) before.push_back({item.number, item.line, item.labels});
    step.stage->process(batch);
    show(step.at, batch, *step.reason);
    left.clear();
    for (const Item& item : batch.items) {
      left.push_back(item.number);
      if (item.dropped) gone_->push_back(item.number);
    }
    left.insert(left.end(), gone_->begin(), gone_->end());
    std::sort(left.begin(), left.end());
    for (const Before& one : before) {
      if (std::binary_search(left.begin(), left.end(), one.number)) continue;
      gone_->push_back(one.number);
      tap_->show({step.at, one.number, one.line, one.labels}, [&] {
        component::Sighting sighting;
        sighting.line = one.line;
        component::append_labels(sighting.labels, one.labels);
        sighting.held = true;
        return sighting;
      });
    }
    batch.remove_dropped();
  }
}

// Items that nobody has seen yet were made by the stage.
void Pipeline::show(std::string_view at, Batch& batch, std::string_view reason) const {
  for (Item& item : batch.items) {
    if (item.number == 0) item.number = tap_->next_entry();
    tap_->show({at, item.number, item.line, item.labels}, [&] {
      component::Sighting sighting = item.sighting(batch.arena);
      if (item.dropped) sighting.dropped = reason.empty() ? at : reason;
      return sighting;
    });
  }
}

Mono Pipeline::deadline() const {
  Mono next = kNever;
  for (const Step& step : steps_) next = std::min(next, step.stage->deadline());
  return next;
}

void Pipeline::flush(Batch& out, Mono now, bool all) {
  // In order, so that with `all` a stage first gets what the stages before it put out.
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    Batch part;
    steps_[i].stage->flush(part, now, all);
    if (part.empty()) continue;
    if (watched()) show(steps_[i].at, part, {});
    process_from(i + 1, part);
    out.append(std::move(part));
  }
}

}  // namespace agent::process
