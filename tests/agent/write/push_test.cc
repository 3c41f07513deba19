#include "agent/write/push.h"

#include <catch2/catch.hpp>

using agent::Duration;
using agent::model::Entry;
using agent::model::EntryBatch;
using agent::model::Interner;
using agent::model::Receipt;
using agent::write::Held;
using agent::write::OutgoingLabels;
using agent::write::parse_refusal;
using agent::write::parse_retry_after;
using agent::write::Push;

namespace {

Entry entry(const agent::model::LabelSet& labels, std::string_view line) {
  Entry e;
  e.labels = labels;
  e.line = line;
  return e;
}

}  // namespace

TEST_CASE("push: internal labels stay, external ones fill gaps, the tenant label decides") {
  Interner interner;
  OutgoingLabels outgoing(interner, {{"env", "prod"}, {"job", "none"}}, "fallback");
  const auto a = outgoing.of(interner.intern({{"__tenant_id__", "t"}, {"__x", "y"}, {"job", "j"}}));
  CHECK(a->text == R"({env="prod", job="j"})");
  CHECK(a->tenant == "t");
  const auto b = outgoing.of(interner.intern({{"job", "j"}}));
  CHECK(b->tenant == "fallback");
  CHECK(b->labels == a->labels);
  CHECK(OutgoingLabels(interner, {}, "").of(interner.intern({{"__x", "y"}}))->labels.empty());
}

TEST_CASE("push: two label sets that leave alike are one stream") {
  Interner interner;
  OutgoingLabels outgoing(interner, {}, "");
  EntryBatch batch;
  batch.entries = {entry(interner.intern({{"a", "1"}, {"__x", "1"}}), "one"),
                   entry(interner.intern({{"b", "1"}}), "two"),
                   entry(interner.intern({{"a", "1"}, {"__x", "2"}}), "three")};
  const auto held = std::make_shared<Held>(std::move(batch), [](const Held&, bool) {});
  Push push("");
  for (const Entry& e : held->batch.entries) REQUIRE(push.add(outgoing.of(e.labels), e, held, 0));
  CHECK(push.entries() == 3);
  CHECK(push.bytes() == 11);
  const auto refs = push.refs();
  CHECK(refs[0].entry->line == "one");
  CHECK(refs[1].entry->line == "three");
  CHECK(push.labels_text(refs[2]) == R"({b="1"})");
  Push limited("");
  CHECK(limited.add(outgoing.of(held->batch.entries[0].labels), held->batch.entries[0], held, 1));
  CHECK_FALSE(
      limited.add(outgoing.of(held->batch.entries[1].labels), held->batch.entries[1], held, 1));
  CHECK(limited.add(outgoing.of(held->batch.entries[2].labels), held->batch.entries[2], held, 1));
}

TEST_CASE("push: a batch in several pushes is delivered when all of them are settled") {
  Interner interner;
  OutgoingLabels outgoing(interner, {}, "");
  for (const bool settle_both : {true, false}) {
    int delivered = -1;
    EntryBatch batch(Receipt([&](bool d) { delivered = d ? 1 : 0; }));
    batch.entries = {entry(interner.intern({{"a", "1"}}), "one"),
                     entry(interner.intern({{"a", "1"}}), "two")};
    {
      auto held = std::make_shared<Held>(std::move(batch), [](const Held&, bool) {});
      Push first("");
      Push second("");
      first.add(outgoing.of(held->batch.entries[0].labels), held->batch.entries[0], held, 0);
      second.add(outgoing.of(held->batch.entries[1].labels), held->batch.entries[1], held, 0);
      held->settle_part();
      held.reset();
      first.settle();
      CHECK(delivered == -1);
      if (settle_both) second.settle();
    }
    CHECK(delivered == (settle_both ? 1 : 0));
  }
}

TEST_CASE("push: what Loki's refusals say") {
  const auto old = parse_refusal(
      "entry for stream '{a=\"b\"}' has timestamp too old: 2023-11-01T00:00:00Z, oldest acceptable "
      "timestamp is: 2023-11-14T22:13:20Z");
  CHECK(old.reason == "greater_than_max_sample_age");
  CHECK(old.oldest_ns == 1'700'000'000'000'000'000);
  CHECK(old.stream.empty());
  const auto behind = parse_refusal(
      "entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'entry too far behind, "
      "entry timestamp is: 2023-11-14T21:00:00Z, oldest acceptable timestamp is: "
      "2023-11-14T23:13:20.5+01:00',\nuser 'fake', total ignored: 1 out of 2 for stream: "
      "{a=\"b\"}");
  CHECK(behind.reason == "too_far_behind");
  CHECK(behind.oldest_ns == 1'700'000'000'000'000'000);
  CHECK(behind.stream == "{a=\"b\"}");
  const auto longer = parse_refusal(
      "Max entry size '262144' bytes exceeded for stream '{a=\"b\"}' while adding an entry with "
      "length '300000' bytes");
  CHECK(longer.reason == "line_too_long");
  CHECK(longer.longest == 262'144);
  const auto other = parse_refusal("error parsing labels");
  CHECK(other.reason == "ingester_error");
  CHECK(other.oldest_ns == 0);
  CHECK(other.longest == 0);
}

TEST_CASE("push: Retry-After in seconds and as a date") {
  constexpr std::int64_t kNow = 1'700'000'000'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
  CHECK(parse_retry_after("7", kNow) == std::chrono::seconds(7));
  CHECK(parse_retry_after("Tue, 14 Nov 2023 22:14:20 GMT", kNow) == std::chrono::seconds(60));
  CHECK(parse_retry_after("Tue, 14 Nov 2023 22:12:20 GMT", kNow) == Duration::zero());
  CHECK(parse_retry_after("", kNow) == Duration::zero());
  CHECK(parse_retry_after("-5", kNow) == Duration::zero());
  CHECK(parse_retry_after("soon", kNow) == Duration::zero());
  CHECK(parse_retry_after("999999999999", kNow) == std::chrono::hours(24));
}

TEST_CASE("push: a batch that never came into a push was not delivered") {
  int delivered = -1;
  Held(EntryBatch(Receipt([&](bool d) { delivered = d ? 1 : 0; })), [](const Held&, bool) {});
  CHECK(delivered == 0);
}
