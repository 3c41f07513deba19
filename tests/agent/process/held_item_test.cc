#include "agent/process/held_item.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_clock.h"

namespace agent::process {
namespace {

struct Bench {
  FakeClock clock;
  component::Metrics metrics;
  model::Interner labels;
  StageHost host{"loki.process.test", clock, Log::none(), metrics, labels};

  // A batch of these lines; `delivered` gets what becomes of its receipt.
  Batch batch(const std::vector<std::string>& lines, std::optional<bool>& delivered) {
    model::EntryBatch entries(model::Receipt([&](bool good) { delivered = good; }));
    for (const std::string& line : lines)
      entries.entries.push_back({labels.intern({{"app", "x"}}), 7, entries.arena.store(line), {}});
    return Batch(std::move(entries));
  }
  double held() const { return host.held->value(); }
};

void settle(Batch& batch) {
  for (model::Receipt& receipt : batch.receipts) receipt.settle();
  batch.receipts.clear();
}

}  // namespace

TEST_CASE("HeldItem: a batch is delivered when what was kept back of it is") {
  Bench bench;
  std::optional<bool> first;
  std::optional<bool> second;
  std::optional<HeldItem> held;
  {
    Batch batch = bench.batch({"a", "b"}, first);
    held.emplace(batch.items[0], batch, bench.host);
    settle(batch);
  }
  CHECK(!first);
  {
    Batch batch = bench.batch({"c"}, second);
    held->join(batch.items[0], batch);
    held->join(batch.items[0], batch);
    held->line += "c";
    settle(batch);
  }
  CHECK(!second);
  CHECK(bench.held() == 3);

  Batch out;
  std::move(*held).release_into(out);
  CHECK(out.receipts.size() == 2);
  CHECK(out.items.at(0).line == "ac");
  CHECK(bench.held() == 0);
  CHECK(bench.host.joined->value() == 2);
  settle(out);
  CHECK(first == true);
  CHECK(second == true);
}

TEST_CASE("HeldItem: destroyed without a release it is not delivered") {
  Bench bench;
  std::optional<bool> delivered;
  {
    Batch batch = bench.batch({"a"}, delivered);
    const HeldItem held(batch.items[0], batch, bench.host);
    settle(batch);
    CHECK(!delivered);
  }
  CHECK(delivered == false);
  CHECK(bench.held() == 0);
}

TEST_CASE("HeldItem: an item holds its own batch's receipts, not those of what left with it") {
  Bench bench;
  // As multiline does it, for ever: each batch's line completes the one before.
  std::vector<std::optional<bool>> delivered(50);
  std::optional<HeldItem> held;
  for (std::optional<bool>& one : delivered) {
    Batch batch = bench.batch({"line"}, one);
    const std::vector<Item> items = std::exchange(batch.items, {});
    if (held) std::move(*held).release_into(batch);
    held.emplace(items[0], batch, bench.host);
    CHECK(batch.receipts.size() <= 2);
    settle(batch);
  }
  for (std::size_t i = 0; i + 1 < delivered.size(); ++i) CHECK(delivered[i] == true);
  CHECK(!delivered.back());
}

TEST_CASE("HeldItem: kept back a second time it keeps the receipts it came with") {
  Bench bench;
  std::optional<bool> old;
  std::optional<bool> other;
  std::optional<HeldItem> held;
  {
    Batch batch = bench.batch({"a"}, old);
    held.emplace(batch.items[0], batch, bench.host);
    settle(batch);
  }
  Batch batch = bench.batch({"b"}, other);
  std::move(*held).release_into(batch);
  {
    Batch whole;
    whole.receipts.emplace_back();  // merged behind another batch its place has moved
    whole.append(std::move(batch));
    held.emplace(whole.items.at(1), whole, bench.host);
    settle(whole);
  }
  CHECK(other == true);
  CHECK(!old);
  Batch out;
  std::move(*held).release_into(out);
  settle(out);
  CHECK(old == true);
}

TEST_CASE("HeldItem: owns the bytes it points to") {
  Bench bench;
  std::optional<bool> delivered;
  std::optional<HeldItem> held;
  {
    Batch batch = bench.batch({"the line"}, delivered);
    batch.items[0].set(batch.arena.store("name"), batch.arena.store("a text of some length"));
    batch.items[0].set("number", 3.5);
    batch.items[0].metadata.push_back({batch.arena.store("trace"), batch.arena.store("0815")});
    held.emplace(batch.items[0], batch, bench.host);
    HeldItem moved = std::move(*held);
    held = std::move(moved);
    settle(batch);
  }
  Batch out;
  std::move(*held).release_into(out);
  const Item& item = out.items.at(0);
  CHECK(item.line == "the line");
  CHECK(item.labels.text() == "{app=\"x\"}");
  CHECK(std::get<std::string_view>(item.find("name").value()) == "a text of some length");
  CHECK(std::get<double>(item.find("number").value()) == 3.5);
  CHECK(std::get<std::string_view>(item.find("app").value()) == "x");
  CHECK(item.metadata.at(0).name == "trace");
  CHECK(item.metadata.at(0).value == "0815");
  settle(out);
}

}  // namespace agent::process
