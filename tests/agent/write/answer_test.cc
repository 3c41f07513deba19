#include "agent/write/answer.h"

#include <catch2/catch.hpp>

#include "agent/base/strings.h"

using namespace agent::write;  // NOLINT
using agent::Duration;

TEST_CASE("answer: what Loki's refusals say") {
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
  // Which stream it means was cut off: nothing is known of the others.
  const auto cut = parse_refusal(
      "entry too far behind, oldest acceptable timestamp is: 2023-11-14T23:13:20Z for stream: {a=");
  CHECK(cut.reason == "too_far_behind");
  CHECK(cut.oldest_ns == 0);
  for (const char* time : {"9999-01-01T00:00:00Z", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20",
                           "2023-11-14T22:13:20+-1:00", "2023-11-14T22:13:20.", "soon"})
    CHECK(
        parse_refusal(std::string("has timestamp too old: oldest acceptable timestamp is: ") + time)
            .oldest_ns == 0);
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

TEST_CASE("answer: Retry-After in seconds and as a date") {
  constexpr std::int64_t kNow = 1'700'000'000'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
  CHECK(parse_retry_after("7", kNow) == std::chrono::seconds(7));
  CHECK(parse_retry_after("Tue, 14 Nov 2023 22:14:20 GMT", kNow) == std::chrono::seconds(60));
  CHECK(parse_retry_after("Tue, 14 Nov 2023 22:12:20 GMT", kNow) == Duration::zero());
  CHECK(parse_retry_after("", kNow) == Duration::zero());
  CHECK(parse_retry_after("-5", kNow) == Duration::zero());
  CHECK(parse_retry_after("soon", kNow) == Duration::zero());
  CHECK(parse_retry_after("999999999999", kNow) == std::chrono::hours(24));
  CHECK(parse_retry_after("99999999999999999999", kNow) == Duration::zero());
  CHECK(parse_retry_after("Tue, 14 Nov 2123 22:13:20 GMT", kNow) == std::chrono::hours(24));
  CHECK(parse_retry_after("Tue, 14 Nov 9999 22:13:20 GMT", kNow) == Duration::zero());
}

TEST_CASE("answer: what a receiver of 2.0 has written") {
  SampleCounts sent;
  sent.samples = 10;
  sent.exemplars = 2;
  CHECK_FALSE(parse_written({{"X-Other", "1"}}, sent));
  CHECK_FALSE(parse_written({{"X-Prometheus-Remote-Write-Samples-Written", "ten"},
                             {"X-Prometheus-Remote-Write-Exemplars-Written", "-1"}},
                            sent));
  const auto some = parse_written({{"x-prometheus-remote-write-samples-written", "7"},
                                   {"X-Prometheus-Remote-Write-Exemplars-Written", "99"},
                                   {"X-Prometheus-Remote-Write-Histograms-Written", "1"}},
                                  sent);
  REQUIRE(some);
  CHECK(some->samples == 7);
  CHECK(some->exemplars == 2);
  CHECK(some->histograms == 0);
}

TEST_CASE("answer: a status says what becomes of the samples") {
  const WriteAsked in_1;
  CHECK(write_answer(200, false, in_1) == WriteAnswer::kAccepted);
  CHECK(write_answer(204, false, in_1) == WriteAnswer::kAccepted);
  for (const int status : {100, 302, 429, 500, 503, 599, 999})
    CHECK(write_answer(status, false, in_1) == WriteAnswer::kLater);
  for (const int status : {400, 401, 404, 409, 413, 415, 422})
    CHECK(write_answer(status, false, in_1) == WriteAnswer::kRefused);
  CHECK(write_answer(429, false, {.retry_on_429 = false}) == WriteAnswer::kRefused);
  const WriteAsked in_2{.version_2 = true};
  for (const int status : {200, 400, 415})
    CHECK(write_answer(status, false, in_2) == WriteAnswer::kOnly1);
  CHECK(write_answer(400, true, in_2) == WriteAnswer::kRefused);
  CHECK(write_answer(204, true, in_2) == WriteAnswer::kAccepted);
  CHECK(write_answer(503, false, in_2) == WriteAnswer::kLater);
  CHECK(write_answer(400, false, {.version_2 = true, .speaks_2 = true}) == WriteAnswer::kRefused);
}

TEST_CASE("answer: people see the beginning of a body") {
  CHECK(answer_text("").empty());
  CHECK(answer_text(" out of bounds\n") == "out of bounds");
  const std::string bytes = answer_text(std::string(1000, '\xff'));
  CHECK(bytes.size() == 300);
  CHECK(agent::is_valid_utf8(bytes));
}
