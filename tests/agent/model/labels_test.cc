#include "agent/model/labels.h"

#include <catch2/catch.hpp>
#include <thread>

namespace agent::model {

TEST_CASE("labels: equal sets are one object, in whatever order they came") {
  Interner interner;
  const LabelSet a = interner.intern({{"b", "2"}, {"a", "1"}});
  const LabelSet b = interner.intern({{"a", "0"}, {"a", "1"}, {"b", "2"}, {"c", ""}});
  CHECK(a == b);
  CHECK(interner.size() == 1);
  CHECK(a.text() == R"({a="1", b="2"})");
  CHECK(a.get("b") == "2");
  CHECK(a.get("c").empty());
}

TEST_CASE("labels: a set that nobody uses is freed, also after the interner") {
  LabelSet survivor;
  {
    Interner interner;
    { const LabelSet a = interner.intern({{"a", "1"}}); }
    CHECK(interner.size() == 0);
    survivor = interner.intern({{"x", "y"}});
  }
  CHECK(survivor.get("x") == "y");
}

TEST_CASE("labels: threads that intern and drop the same set agree") {
  Interner interner;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const LabelSet a = interner.intern({{"a", std::to_string(i % 3)}});
        const LabelSet copy = a;
        if (copy.get("a").size() != 1) std::abort();
      }
    });
  }
  threads.clear();
  CHECK(interner.size() == 0);
}

TEST_CASE("labels: many sets are told apart, found again and freed") {
  Interner interner;
  std::vector<LabelSet> sets;
  const auto labels = [](int i) {
    return Labels{{"name", std::to_string(i)}, {"of_" + std::to_string(i % 100), "x"}};
  };
  for (int i = 0; i < 5'000; ++i) sets.push_back(interner.intern(labels(i)));
  CHECK(interner.size() == 5'000);
  for (int i = 0; i < 5'000; ++i) {
    if (!(interner.intern(labels(i)) == sets[static_cast<std::size_t>(i)])) FAIL("set " << i);
  }
  for (int i = 0; i < 5'000; ++i) {
    if (i % 50 != 0) sets[static_cast<std::size_t>(i)] = {};
  }
  CHECK(interner.size() == 100);
  CHECK(sets[50].text() == R"({name="50", of_50="x"})");
  CHECK(LabelBuilder(sets[50]).labels() == labels(50));
  CHECK(interner.intern(labels(50)) == sets[50]);
  sets.clear();
  CHECK(interner.size() == 0);
}

TEST_CASE("labels: the same bytes cut in other places are other labels") {
  Interner interner;
  const LabelSet a = interner.intern({{"ab", "cd"}, {"x", "y"}});
  CHECK_FALSE(a == interner.intern({{"abc", "d"}, {"x", "y"}}));
  CHECK_FALSE(a == interner.intern({{"ab", "cdx"}, {"y", "z"}}));
  CHECK_FALSE(a == interner.intern({{"ab", "cd"}}));
  CHECK(a.get("x") == "y");
  CHECK(a.get("y").empty());
  CHECK(a.labels().size() == 2);
  CHECK(LabelSet().labels().empty());
  Interner other;
  CHECK(a.labels() == other.intern({{"x", "y"}, {"ab", "cd"}}).labels());
}

TEST_CASE("labels: the builder keeps order and forgets empty values") {
  LabelBuilder builder;
  builder.set("b", "1");
  builder.set("a", "2");
  builder.set("__hidden", "3");
  builder.set("b", "");
  builder.remove_prefix("__");
  CHECK(builder.labels() == Labels{{"a", "2"}});
}

}  // namespace agent::model
