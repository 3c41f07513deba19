#include "agent/write/push.h"

#include <catch2/catch.hpp>

using agent::model::Entry;
using agent::model::EntryBatch;
using agent::model::Interner;
using agent::model::Receipt;
using agent::write::Held;
using agent::write::OutgoingLabels;
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

TEST_CASE("push: a batch that never came into a push was not delivered") {
  int delivered = -1;
  Held(EntryBatch(Receipt([&](bool d) { delivered = d ? 1 : 0; })), [](const Held&, bool) {});
  CHECK(delivered == 0);
}
