#include "agent/model/receipt.h"

#include <catch2/catch.hpp>

#include "agent/model/entry.h"

namespace agent::model {

TEST_CASE("receipt: the position advances over a gapless run of settled batches only") {
  AckWindow<int> window;
  Receipt first = window.issue(1);
  Receipt second = window.issue(2);
  second.settle();
  CHECK_FALSE(window.take_settled().has_value());
  first.settle();
  CHECK(window.take_settled() == 2);
  CHECK_FALSE(window.take_settled().has_value());
  CHECK(window.outstanding() == 0);
}

TEST_CASE("receipt: every holder has to settle") {
  AckWindow<int> window;
  Receipt receipt = window.issue(7);
  Receipt other = receipt.share();
  receipt.settle();
  CHECK_FALSE(window.take_settled().has_value());
  other.settle();
  CHECK(window.take_settled() == 7);
}

TEST_CASE("receipt: one lost holder means that the batch was not delivered") {
  AckWindow<int> window;
  Receipt receipt = window.issue(7);
  { Receipt other = receipt.share(); }
  receipt.settle();
  CHECK_FALSE(window.take_settled().has_value());
  CHECK(window.lost());
}

TEST_CASE("receipt: after a rewind old receipts no longer count") {
  AckWindow<int> window;
  Receipt old = window.issue(1);
  window.rewind();
  Receipt fresh = window.issue(5);
  old.settle();
  CHECK_FALSE(window.take_settled().has_value());
  fresh.settle();
  CHECK(window.take_settled() == 5);
  CHECK_FALSE(window.lost());
}

TEST_CASE("entry batch: a clone shares bytes and receipt") {
  AckWindow<int> window;
  EntryBatch batch(window.issue(1));
  batch.entries.push_back({{}, 1, batch.arena.store("hello"), {}});
  EntryBatch copy = batch.clone();
  batch.settle();
  batch = {};
  CHECK(copy.entries.at(0).line == "hello");
  CHECK_FALSE(window.take_settled().has_value());
  copy.settle();
  CHECK(window.take_settled() == 1);
}

}  // namespace agent::model
