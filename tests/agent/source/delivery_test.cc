#include "agent/source/delivery.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/support/fake_clock.h"

namespace agent::source {
namespace {

std::map<std::string, std::string> told(const Delivery& delivery) {
  component::DebugWriter out;
  delivery.debug_info(out);
  return {out.rows().begin(), out.rows().end()};
}

model::EntryBatch batch_of(std::size_t entries, std::int64_t time_ns) {
  model::EntryBatch batch;
  for (std::size_t i = 0; i < entries; ++i)
    batch.entries.push_back({{}, time_ns, batch.arena.store("line"), {}});
  return batch;
}

}  // namespace

TEST_CASE("delivery: tells what waits, how old the oldest is, and when something was delivered") {
  FakeClock clock;
  const Delivery delivery(clock);
  CHECK(told(delivery) == std::map<std::string, std::string>{{"unacknowledged_entries", "0"},
                                                             {"oldest_unacknowledged_seconds", "0"},
                                                             {"last_delivery_unix_seconds", "0"}});
  model::EntryBatch first = batch_of(3, clock.wall_ns());
  delivery.watch(first);
  clock.advance(std::chrono::seconds(60));
  model::EntryBatch second = batch_of(2, clock.wall_ns());
  delivery.watch(second);
  CHECK(told(delivery)["unacknowledged_entries"] == "5");
  CHECK(told(delivery)["oldest_unacknowledged_seconds"] == "60");

  // Out of order: the first still waits.
  second.settle();
  const std::string at = std::to_string(clock.wall_ns() / 1'000'000'000);
  CHECK(told(delivery)["unacknowledged_entries"] == "3");
  CHECK(told(delivery)["oldest_unacknowledged_seconds"] == "60");
  CHECK(told(delivery)["last_delivery_unix_seconds"] == at);

  // Lost is not delivered; it will be read again.
  clock.advance(std::chrono::seconds(5));
  { const model::EntryBatch lost = std::move(first); }
  CHECK(told(delivery)["unacknowledged_entries"] == "0");
  CHECK(told(delivery)["oldest_unacknowledged_seconds"] == "0");
  CHECK(told(delivery)["last_delivery_unix_seconds"] == at);
}

TEST_CASE("delivery: batches may outlive it") {
  FakeClock clock;
  model::EntryBatch batch = batch_of(1, clock.wall_ns());
  { Delivery(clock).watch(batch); }
  batch.settle();
  CHECK(batch.entries.size() == 1);
}

}  // namespace agent::source
