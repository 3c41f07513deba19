// A stage of loki.process: what it sees of an entry, and the contract it follows.
//
// Adding one: stages/<name>.cc with `StageDeclaration stage_<name>()` in agent::process, a line
// `agent_stage(<name> <name>.cc)` in stages/CMakeLists.txt, and tests/pipeline/process/<name>.test.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/component/metrics.h"
#include "agent/component/schema.h"
#include "agent/model/entry.h"

namespace agent::component {
class Tap;
struct Sighting;
}  // namespace agent::component

namespace agent::process {

// A value that a stage took out of a line. Text lives in the batch's arena.
using Extracted = std::variant<std::monostate, bool, std::int64_t, double, std::string_view>;

// One entry on its way through the stages. What is extracted starts as a copy of the labels and,
// behind them, of the entry's context, and is apart from both: stages like json fill it, stages
// like labels, timestamp and output read it.
class Item {
 public:
  model::LabelSet labels;
  std::int64_t time_ns = 0;
  std::string_view line;
  std::vector<model::MetadataPair> metadata;
  model::LabelSet context;
  bool dropped = false;      // the frame removes it after the stage
  std::uint32_t number = 0;  // by which watches tell it apart; 0: nobody has looked
  // The item leaves the component no sooner, unless a stop or other stages come before it: how a
  // stage slows entries down, since a stage itself never waits.
  Mono not_before{};

  // An entry that a stage makes up starts as a copy of the item it comes from.
  explicit Item(const model::Entry& entry);

  void set(std::string_view name,
           Extracted value);  // `name` outlives the batch or lies in its arena
  void remove(std::string_view name);
  // Sets structured metadata; both texts lie in the batch's arena, for they leave with it.
  void set_metadata(std::string_view name, std::string_view value);
  // nullopt when there is no such key; std::monostate is a key with a null value.
  std::optional<Extracted> find(std::string_view name) const;
  // Every key and value, the initial ones included.
  std::vector<std::pair<std::string_view, Extracted>> all_extracted() const;
  // As a watch sees it. `arena` is its batch's.
  component::Sighting sighting(model::Arena& arena) const;

 private:
  friend struct Batch;
  friend class HeldItem;
  struct Pair {
    std::string_view name;
    Extracted value;
    bool removed = false;  // hides an initial value
  };
  std::string_view initial(std::string_view name) const;

  model::LabelSet initial_labels_;
  std::vector<Pair> extracted_;
  // Its receipts among its batch's: who holds it back shares these and no others.
  std::uint32_t first_receipt_ = 0;
  std::uint32_t receipts_ = 0;
};

// The items of one EntryBatch, the bytes they point to and the receipts that wait for them: they
// are settled when the items that are left at the end of the stages were delivered. What a stage
// keeps for later it takes along with a HeldItem (held_item.h).
struct Batch {
  std::vector<Item> items;
  model::Arena arena;
  std::vector<model::Receipt> receipts;

  Batch() = default;
  explicit Batch(model::EntryBatch entries);
  bool empty() const { return items.empty() && receipts.empty(); }
  // Takes the other batch's items, bytes and receipts in.
  void append(Batch other);
  // Removes the first `count` items; the batch of them shares the bytes and the receipts.
  Batch split(std::size_t count);
  // Calls `use` with each run of neighbouring items for which `matches` is true, as a batch of
  // their own, and puts what it leaves in their place.
  void for_matching(const std::function<bool(const Item&)>& matches,
                    const std::function<void(Batch&)>& use);
  void remove_dropped();
};

// As the language's stages convert: numbers and bools to text and back. nullopt for what has no
// such form.
std::optional<std::string_view> to_text(const Extracted& value, model::Arena& arena);
std::optional<double> to_number(const Extracted& value);
// to_text() as UTF-8: Loki refuses a stream whose labels are not.
std::optional<std::string_view> to_label_value(const Extracted& value, model::Arena& arena);
// What an argument `source` names: an extracted value's text, or the line when it is empty.
std::optional<std::string_view> source_text(const Item& item, std::string_view source,
                                            model::Arena& arena);

// Reports a regular expression, given as the argument `argument`, that RE2 does not take.
void check_expression(const std::string& expression, const lang::Body& body,
                      std::string_view argument, lang::Diagnostics& diagnostics);

// Reports names in the argument `values` that cannot be labels.
void check_label_names(const component::StringMap& values, const lang::Body& body,
                       lang::Diagnostics& diagnostics);

// What a stage may touch. References outlive it.
struct StageHost {
  std::string component_id;
  Clock& clock;
  Log log;
  component::Metrics metrics;
  model::Interner& labels;
  component::Gauge held;      // for HeldItem: lines that stages keep back
  component::Counter joined;  // for HeldItem: lines that became a part of another
  // Where what the stages do is watched; null: nowhere.
  std::shared_ptr<component::Tap> tap;
  // Of a stage, made by the pipeline that it is in:
  std::string at;                       // as Sighting tells it; "" for the component
  std::shared_ptr<std::string> reason;  // under which it drops: what dropped() was asked for
  std::shared_ptr<std::vector<std::uint32_t>> gone;  // items that watches know have ended
  std::shared_ptr<std::vector<component::Counter>> counters =
      std::make_shared<std::vector<component::Counter>>();  // those asked for

  StageHost(std::string id, Clock& the_clock, Log the_log, component::Metrics the_metrics,
            model::Interner& interner);
  // A stage's counters are asked for here. The component holds those of stages that were in force:
  // what they counted is not gone with them.
  component::Counter counter(std::string_view name, std::string_view help,
                             model::Labels with = {}) const;
  // loki_process_dropped_lines_total{reason="..."}
  component::Counter dropped(std::string_view why) const;
};

// Called by one thread at a time, with the component's lock held: a stage does not wait, and calls
// nothing that does. One that must slow entries down sets their not_before. One that must keep
// entries back until others come moves them into HeldItems, says by deadline() until when, and
// lets them go in process() or in flush().
class Stage {
 public:
  virtual ~Stage() = default;
  virtual void process(Batch& batch) = 0;
  // When flush() is to be called at the latest; asked after every process() and flush().
  virtual Mono deadline() const { return kNever; }
  // Puts out what is due at `now`, so that deadline() is later; with `all` everything that it
  // holds, because the component stops or its arguments change. The items then go through the
  // stages behind this one.
  virtual void flush(Batch& /*out*/, Mono /*now*/, bool /*all*/) {}
};

// A decoded stage block: makes the stage once its host exists.
struct StageSpec {
  std::string_view name;  // "json"
  std::function<std::unique_ptr<Stage>(const StageHost&)> make;
};
using StageDeclaration = component::Variant<StageSpec>;

// S has `using Arguments = ...` with a schema, and a constructor S(Arguments, const StageHost&)
// that cannot fail: Arguments::validate() has found what is wrong.
template <class S>
StageDeclaration declare_stage(std::string_view name, std::string doc) {
  using Args = typename S::Arguments;
  StageDeclaration stage;
  stage.name = "stage." + std::string(name);
  stage.doc = std::move(doc);
  stage.fields = [] { return Args::schema().info(); };
  stage.decode = [name](const lang::Block& block, std::vector<StageSpec>& out,
                        lang::Diagnostics& diagnostics) {
    auto args = std::make_shared<Args>();
    component::decode(block.body, *args, diagnostics);
    out.push_back({name, [args](const StageHost& host) -> std::unique_ptr<Stage> {
                     return std::make_unique<S>(*args, host);
                   }});
  };
  return stage;
}

// All stages, in the order of stages/CMakeLists.txt. `nested`: for a stage that holds stages; its
// tables stop there.
std::vector<StageDeclaration> stage_declarations(bool nested);

// The stages of one pipeline, in order.
class Pipeline {
 public:
  Pipeline(const std::vector<StageSpec>& specs, const StageHost& host);
  void process(Batch& batch);
  Mono deadline() const;
  // What stages put out on their own account, having passed the stages after them.
  void flush(Batch& out, Mono now, bool all);

 private:
  struct Step {
    std::unique_ptr<Stage> stage;
    std::string at;
    std::shared_ptr<std::string> reason;
  };
  void process_from(std::size_t first, Batch& batch);
  // The same with everything shown to who watches.
  void process_watched(std::size_t first, Batch& batch);
  void show(std::string_view at, Batch& batch, std::string_view reason) const;
  bool watched() const;

  std::vector<Step> steps_;
  std::shared_ptr<component::Tap> tap_;
  std::shared_ptr<std::vector<std::uint32_t>> gone_;
  bool outermost_ = true;
};

}  // namespace agent::process
