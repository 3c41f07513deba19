#include "agent/wire/loki_push.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "agent/base/file.h"

using agent::ErrorCode;
using agent::model::Entry;
using agent::model::EntryBatch;
using agent::model::Interner;
using agent::model::LabelSet;
using agent::model::MetadataPair;
using agent::wire::decode_json_push;
using agent::wire::decode_push;
using agent::wire::LokiPushEncoder;
using agent::wire::parse_labels_text;
using agent::wire::PushLimits;

namespace {

struct Push {
  Interner interner;
  EntryBatch batch;

  void add(const LabelSet& labels, std::int64_t time, std::string_view line,
           std::vector<MetadataPair> metadata = {}) {
    Entry entry;
    entry.labels = labels;
    entry.time_ns = time;
    entry.line = batch.arena.store(line);
    entry.metadata = batch.arena.store(std::span<const MetadataPair>(metadata));
    batch.entries.push_back(entry);
  }
  // All entries as one stream.
  std::string encoded(const LabelSet& labels) const {
    std::vector<const Entry*> entries;
    for (const Entry& entry : batch.entries) entries.push_back(&entry);
    LokiPushEncoder encoder;
    encoder.add_stream(labels.text(), entries);
    return std::string(encoder.body());
  }
};

// What tests/support/loki_judge.py, which shares nothing with our code, makes of a push: one line
// per entry.
std::string judge(std::string_view body) {
  const auto path =
      std::filesystem::temp_directory_path() / ("loki_push_test." + std::to_string(getpid()));
  REQUIRE(agent::write_file_atomic(path, body));
  const std::string command =
      "/usr/bin/python3 -c 'import sys\nsys.path.insert(0, \"" SOURCE_DIR
      "/tests/support\")\nimport loki_judge\n"
      "for labels, ts, line, meta in loki_judge.decode_protobuf(open(sys.argv[1], "
      "\"rb\").read()):\n"
      "  print(sorted(labels.items()), ts, ascii(line), sorted(meta.items()))' " +
      path.string() + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string out;
  std::array<char, 4096> chunk{};
  while (const std::size_t n = fread(chunk.data(), 1, chunk.size(), pipe.get()))
    out.append(chunk.data(), n);
  std::filesystem::remove(path);
  return out;
}

std::string snappy_literal(std::string_view message) {
  // A snappy block of one literal (under 60 bytes).
  REQUIRE(message.size() <= 60);
  std::string out(1, static_cast<char>(message.size()));
  out += static_cast<char>((message.size() - 1) << 2);
  return out.append(message);
}

}  // namespace

TEST_CASE("loki push: an independent decoder reads what we encode") {
  Push push;
  const LabelSet labels = push.interner.intern({{"job", "a \"b\"\n\\"}, {"host", "p\xC3\xBCk"}});
  push.add(labels, 1'700'000'000'123'456'789, "first");
  push.add(labels, 0, "");
  push.add(labels, -1, "before 1970", {{"pid", "7"}, {"user", "r"}});
  CHECK(judge(push.encoded(labels)) ==
        "[('host', 'p\xC3\xBCk'), ('job', 'a \"b\"\\n\\\\')] 1700000000123456789 'first' []\n"
        "[('host', 'p\xC3\xBCk'), ('job', 'a \"b\"\\n\\\\')] 0 '' []\n"
        "[('host', 'p\xC3\xBCk'), ('job', 'a \"b\"\\n\\\\')] -1 'before 1970' [('pid', '7'), "
        "('user', 'r')]\n");
}

TEST_CASE("loki push: bytes that are not UTF-8 become the replacement character") {
  Push push;
  const LabelSet labels = push.interner.intern({{"job", "x\xFF"}});
  push.add(labels, 1, "a\xC3(b", {{"k", "\x80"}});
  CHECK(judge(push.encoded(labels)) ==
        "[('job', 'x\xEF\xBF\xBD')] 1 'a\\ufffd(b' [('k', '\xEF\xBF\xBD')]\n");
}

TEST_CASE("loki push: several streams, and a long line, survive the round trip") {
  Push push;
  const LabelSet a = push.interner.intern({{"a", "1"}});
  const LabelSet b = push.interner.intern({{"b", "2"}});
  push.add(a, 5, std::string(300'000, 'x'), {{"m", "n"}});
  push.add(b, 6, "short");
  LokiPushEncoder encoder;
  for (int round = 0; round < 2; ++round) {  // the buffers are used again
    encoder.clear();
    const Entry* first = &push.batch.entries[0];
    const Entry* second = &push.batch.entries[1];
    encoder.add_stream(a.text(), std::span<const Entry* const>(&first, 1));
    encoder.add_stream(b.text(), std::span<const Entry* const>(&second, 1));
    EntryBatch out;
    REQUIRE(decode_push(encoder.body(), {}, push.interner, out));
    REQUIRE(out.entries.size() == 2);
    CHECK(out.entries[0].labels == a);
    CHECK(out.entries[0].time_ns == 5);
    CHECK(out.entries[0].line == push.batch.entries[0].line);
    REQUIRE(out.entries[0].metadata.size() == 1);
    CHECK(out.entries[0].metadata[0].value == "n");
    CHECK(out.entries[1].labels == b);
    CHECK(out.entries[1].line == "short");
  }
}

TEST_CASE("loki push: what is no push is refused and leaves the batch as it was") {
  Interner interner;
  EntryBatch out;
  const auto refused = [&](std::string_view body, const PushLimits& limits = {}) {
    const auto r = decode_push(body, limits, interner, out);
    CHECK(out.entries.empty());
    return r ? std::string("taken") : r.error().message;
  };
  CHECK(refused("") == "the push is not a snappy block");
  CHECK(refused("hello") == "the push is not a snappy block");
  CHECK(refused(snappy_literal("\x0A\x7F")) == "the push is not a PushRequest message");
  CHECK(refused(snappy_literal("\x0A\x04\x0A\x02{}")) == "taken");
  CHECK_THAT(refused(snappy_literal("\x0A\x03\x0A\x01{")),
             Catch::Contains("expected a label name"));
  // Says 4 GiB in its header and holds nothing: refused before anything is allocated.
  CHECK_THAT(refused("\xFF\xFF\xFF\xFF\x0F"), Catch::Contains("4294967295 bytes"));

  Push push;
  const LabelSet labels = push.interner.intern({{"a", "1"}});
  for (int i = 0; i < 100; ++i) push.add(labels, i, "");
  PushLimits limits;
  limits.max_entries = 99;
  CHECK(refused(push.encoded(labels), limits) == "more than 99 entries in one push");
  limits = {};
  limits.max_bytes = 100;
  CHECK_THAT(refused(push.encoded(labels), limits), Catch::Contains("at most 100"));
}

TEST_CASE("loki push: the JSON form, both ways") {
  Push push;
  const LabelSet labels = push.interner.intern({{"a", "1"}, {"b", "x\"y"}});
  push.add(labels, 1'700'000'000'000'000'001, "li\xFFne\n", {{"k", "v"}});
  push.add(labels, 2, "");
  std::string streams;
  std::vector<const Entry*> entries = {&push.batch.entries[0], &push.batch.entries[1]};
  agent::wire::append_json_push_stream(streams, labels, entries);
  const std::string body = agent::wire::json_push(streams);
  CHECK(body ==
        "{\"streams\":[{\"stream\":{\"a\":\"1\",\"b\":\"x\\\"y\"},\"values\":["
        "[\"1700000000000000001\",\"li\xEF\xBF\xBDne\\n\",{\"k\":\"v\"}],[\"2\",\"\"]]}]}");
  EntryBatch out;
  REQUIRE(decode_json_push(body, {}, push.interner, out));
  REQUIRE(out.entries.size() == 2);
  CHECK(out.entries[0].labels == labels);
  CHECK(out.entries[0].time_ns == 1'700'000'000'000'000'001);
  CHECK(out.entries[0].line == "li\xEF\xBF\xBDne\n");
  CHECK(out.entries[0].metadata[0].name == "k");
}

TEST_CASE("loki push: JSON with the values before the labels and unknown members") {
  Interner interner;
  EntryBatch out;
  REQUIRE(decode_json_push(R"({"x":{"y":[1,{}]},"streams":[
      {"values":[[1,"a"]],"z":null,"stream":{"job":"j"}},{"stream":{"job":"k"},"values":[]}]})",
                           {}, interner, out));
  REQUIRE(out.entries.size() == 1);
  CHECK(out.entries[0].labels.get("job") == "j");
  CHECK(out.entries[0].time_ns == 1);
}

TEST_CASE("loki push: wrong JSON is refused with a reason") {
  Interner interner;
  EntryBatch out;
  const auto refused = [&](std::string_view body) {
    const auto r = decode_json_push(body, {}, interner, out);
    CHECK(out.entries.empty());
    return r ? std::string("taken") : r.error().message;
  };
  CHECK(refused("{}") == "taken");
  CHECK_THAT(refused("{"), Catch::Contains("breaks off"));
  CHECK_THAT(refused("[]"), Catch::Contains("a list where none should be"));
  CHECK_THAT(refused(R"({"streams":[{"values":[["x","l"]]}]})"), Catch::Contains("timestamp"));
  CHECK_THAT(refused(R"({"streams":[{"values":[["1"]]}]})"), Catch::Contains("without"));
  CHECK_THAT(refused(R"({"streams":[{"values":[["1","l",{"a":{}}]]}]})"),
             Catch::Contains("an object"));
  CHECK_THAT(refused(R"({"streams":[{"values":[["1","l",{},"x"]]}]})"), Catch::Contains("more"));
  CHECK_THAT(refused(R"({"streams":[{"stream":{"a b":"c"}}]})"), Catch::Contains("label name"));
  CHECK_THAT(refused(R"({"streams":[{"stream":{"a":1}}]})"), Catch::Contains("string"));
  CHECK_THAT(refused("{\"x\":" + std::string(100'000, '[')), Catch::Contains("deeper"));
}

TEST_CASE("loki push: the text of labels") {
  const auto labels = parse_labels_text("{ b = `raw\\n`, a=\"\\u00fc\\x41\\101\\\"\", c=\"\",}");
  REQUIRE(labels);
  REQUIRE(labels->size() == 2);
  CHECK((*labels)[0] == agent::model::Label{"a",
                                            "\xC3\xBC"
                                            "AA\""});
  CHECK((*labels)[1] == agent::model::Label{"b", "raw\\n"});
  for (const char* wrong :
       {"", "{", "{a}", "{a=b}", "{a=\"b}", "{a=\"b\"} x", "{a=\"\\q\"}", "{a=\"\\ud800\"}",
        "{a=\"1\",a=\"2\"}", "{1a=\"b\"}", "{a=\"1\" b=\"2\"}"}) {
    INFO(wrong);
    CHECK_FALSE(parse_labels_text(wrong));
  }
}
