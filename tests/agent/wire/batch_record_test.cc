#include "agent/wire/batch_record.h"

#include <catch2/catch.hpp>
#include <limits>

namespace agent::wire {
namespace {

void add(model::EntryBatch& batch, const model::LabelSet& labels, std::int64_t time,
         std::string_view line, std::vector<model::MetadataPair> metadata = {},
         model::LabelSet context = {}) {
  model::Entry entry;
  entry.labels = labels;
  entry.time_ns = time;
  entry.line = batch.arena.store(line);
  entry.metadata = batch.arena.store(std::span<const model::MetadataPair>(metadata));
  entry.context = std::move(context);
  batch.entries.push_back(std::move(entry));
}

}  // namespace

TEST_CASE("batch record: what comes back is what went in, byte for byte and in order") {
  model::Interner labels;
  const auto a = labels.intern({{"job", "a"}, {"__tenant_id__", "team"}});
  const auto b = labels.intern({{"job", "b\xff\n"}});
  model::EntryBatch batch;
  add(batch, a, 1'700'000'000'000'000'000, std::string("nul \0 and \xff\xfe", 12));
  add(batch, b, std::numeric_limits<std::int64_t>::min(), "", {{"why", "x"}, {"", "\x80"}}, a);
  add(batch, a, std::numeric_limits<std::int64_t>::max(), std::string(100'000, 'x'));
  add(batch, {}, 0, "no labels");
  std::string bytes = "what was there before";
  encode_batch(batch, bytes);
  CHECK(bytes.size() < 10'000);

  model::Interner later;  // of another life
  model::EntryBatch back;
  REQUIRE(decode_batch(bytes, later, back));
  REQUIRE(back.entries.size() == batch.entries.size());
  for (std::size_t i = 0; i < back.entries.size(); ++i) {
    const model::Entry& is = back.entries[i];
    const model::Entry& was = batch.entries[i];
    CHECK(is.labels.labels() == was.labels.labels());
    CHECK(is.context.labels() == was.context.labels());
    CHECK(is.time_ns == was.time_ns);
    CHECK(is.line == was.line);
    REQUIRE(is.metadata.size() == was.metadata.size());
    for (std::size_t m = 0; m < is.metadata.size(); ++m) {
      CHECK(is.metadata[m].name == was.metadata[m].name);
      CHECK(is.metadata[m].value == was.metadata[m].value);
    }
  }
}

TEST_CASE("batch record: what is none is refused") {
  model::Interner labels;
  model::EntryBatch batch;
  add(batch, labels.intern({{"job", "a"}}), 5, "hello hello hello hello");
  std::string bytes;
  encode_batch(batch, bytes);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    model::EntryBatch out;
    CHECK_FALSE(decode_batch(std::string_view(bytes).substr(0, cut), labels, out));
  }
  model::EntryBatch out;
  CHECK_FALSE(decode_batch("\xff\xff\xff\xff\x0f", labels, out));  // claims 4 GiB
}

}  // namespace agent::wire
