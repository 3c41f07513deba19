#include "agent/wire/exposition_reader.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "agent/base/strings.h"
#include "agent/model/sample.h"

namespace agent::wire {
namespace {

using Item = ExpositionReader::Item;
using Format = ExpositionFormat;

std::string labels_line(const model::Labels& labels) { return model::labels_text(labels); }

// One line per item: what a reader of the page gets to know.
std::string read(std::string_view page, Format format) {
  ExpositionReader reader(page, format);
  std::string out;
  while (true) {
    switch (reader.next()) {
      case Item::kSample: {
        const auto labels = reader.labels();
        out += labels ? labels_line(*labels) : "bad: " + labels.error().message;
        out += " " + format_number(reader.value());
        if (reader.time_ms()) out += " @" + std::to_string(*reader.time_ms());
        if (const auto& exemplar = reader.exemplar()) {
          const auto of = ExpositionReader::labels_of(exemplar->labels);
          out += " # " + (of ? labels_line(*of) : "bad") + " " + format_number(exemplar->value);
          if (exemplar->time_ms) out += " @" + std::to_string(*exemplar->time_ms);
        }
        break;
      }
      case Item::kType:
        out += "type " + std::string(reader.family()) + " " +
               std::to_string(static_cast<int>(reader.type()));
        break;
      case Item::kHelp:
        out += "help " + std::string(reader.family()) + " " + reader.text();
        break;
      case Item::kUnit:
        out += "unit " + std::string(reader.family()) + " " + reader.text();
        break;
      case Item::kBroken:
        return out + "broken: " + reader.error();
      case Item::kEnd:
        return out + "end";
    }
    out += '\n';
  }
}
std::string text(std::string_view page) { return read(page, Format::kText); }
std::string open_metrics(std::string_view page) { return read(page, Format::kOpenMetrics); }

}  // namespace

TEST_CASE("exposition text: samples, comments, help and type") {
  CHECK(text("# HELP http_requests_total The \\\\ total\\nnumber.\n"
             "# TYPE http_requests_total counter\n"
             "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
             "\n"
             "# a comment, and one without a blank:\n"
             "#x\n"
             "\t metric_without_timestamp_and_labels 12.47\n"
             "msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot "
             "find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n"
             "something_weird{problem=\"division by zero\"} +Inf -3982045\n"
             "a{} 0x\n") ==
        "help http_requests_total The \\ total\nnumber.\n"
        "type http_requests_total 1\n"
        "{__name__=\"http_requests_total\", code=\"200\", method=\"post\"} 1027 @1395066363000\n"
        "{__name__=\"metric_without_timestamp_and_labels\"} 12.47\n"
        "{__name__=\"msdos_file_access_time_seconds\", error=\"Cannot find "
        "file:\\n\\\"FILE.TXT\\\"\", path=\"C:\\\\DIR\\\\FILE.TXT\"} 1.458255915e+09\n"
        "{__name__=\"something_weird\", problem=\"division by zero\"} +Inf @-3982045\n"
        "broken: line 10: not a value");
}

TEST_CASE("exposition text: blanks between all tokens, trailing commas, no last newline") {
  CHECK(text("a { x = \"1\" , y=\"}\", }  7\nb{x=\"1\"}2\nc 3") ==
        "{__name__=\"a\", x=\"1\", y=\"}\"} 7\n{__name__=\"b\", x=\"1\"} 2\n"
        "{__name__=\"c\"} 3\nend");
  CHECK(text("{\"my.metric\",\"a b\"=\"c\"} 1\n") == "{__name__=\"my.metric\", a b=\"c\"} 1\nend");
}

TEST_CASE("exposition text: what is not a sample breaks the page with its line") {
  CHECK(text("a 1\nb\n") ==
        "{__name__=\"a\"} 1\nbroken: line 2: expected a value after the series");
  CHECK(text("1a 1\n") == "broken: line 1: expected the name of a metric");
  CHECK(text("a{x=\"1\" 1\n") == "broken: line 1: the labels have no end");
  CHECK(text("a{x=\"1} 1\n") == "broken: line 1: the labels have no end");
  CHECK(text("a 1 2 3\n") == "broken: line 1: something stands behind the sample");
  CHECK(text("a 1 2.5\n") == "broken: line 1: not a time");
  CHECK(text("# TYPE a thing\n") == "broken: line 1: not a type of metric");
  CHECK(text("a 1\r\n") == "broken: line 1: not a value");
}

TEST_CASE("exposition text: labels are understood only when asked for") {
  CHECK(text("a{x=1} 1\n").starts_with("bad: a label without a quoted value"));
  CHECK(text("a{x=\"\\t\"} 1\n").starts_with("bad: a label without a quoted value"));
  CHECK(text("a{x=\"1\"y=\"2\"} 1\n").starts_with("bad: no comma"));
  CHECK(text("a{1x=\"1\"} 1\n").starts_with("bad: not a label name"));
  CHECK(text("a{x=\"\xff\"} 1\n").starts_with("bad: bytes that are not UTF-8"));
  CHECK(text("a{x=\"1\",x=\"2\"} 1\n").starts_with("bad: the label x twice"));
  CHECK(text("a{x=\"\"} 1\n") == "{__name__=\"a\"} 1\nend");
}

TEST_CASE("exposition: numbers as Go reads them") {
  CHECK(parse_sample_value("0.1") == 0.1);
  CHECK(parse_sample_value("+5e3") == 5000);
  CHECK(parse_sample_value("-Inf") == -INFINITY);
  CHECK(parse_sample_value("infinity") == INFINITY);
  CHECK(std::bit_cast<std::uint64_t>(*parse_sample_value("NaN")) == 0x7ff8000000000001);
  CHECK_FALSE(model::is_stale_marker(*parse_sample_value("nan")));
  CHECK(parse_sample_value("1e-400") == 0);
  for (const char* bad : {"", "+", "+-1", "--1", "1e400", "0x10", "1_000", "nan(2)", "1 ", "1f"})
    CHECK_FALSE(parse_sample_value(bad));
}

TEST_CASE("OpenMetrics: types, units, exemplars and seconds") {
  CHECK(open_metrics("# TYPE foo_seconds histogram\n"
                     "# UNIT foo_seconds seconds\n"
                     "# HELP foo_seconds Took \\\"long\\\".\n"
                     "foo_seconds_bucket{le=\"0.1\"} 8 # {trace_id=\"x y\"} 0.054 1.5\n"
                     "foo_seconds_bucket{le=\"+Inf\"} 17 1.520879607789 # {} 9.8\n"
                     "# TYPE s stateset\n"
                     "s{s=\"a\"} 1\n"
                     "# EOF\n") ==
        "type foo_seconds 3\n"
        "unit foo_seconds seconds\n"
        "help foo_seconds Took \\\"long\\\".\n"
        "{__name__=\"foo_seconds_bucket\", le=\"0.1\"} 8 # {trace_id=\"x y\"} 0.054 @1500\n"
        "{__name__=\"foo_seconds_bucket\", le=\"+Inf\"} 17 @1520 # {} 9.8\n"
        "type s 7\n"
        "{__name__=\"s\", s=\"a\"} 1\n"
        "end");
}

TEST_CASE("OpenMetrics: a page without its end, or with more behind it, is broken") {
  CHECK(open_metrics("a 1\n") ==
        "{__name__=\"a\"} 1\nbroken: line 2: the page does not end with # EOF");
  CHECK(open_metrics("a 1") == "broken: line 1: the page does not end with # EOF");
  CHECK(open_metrics("# EOF\na 1\n") == "broken: line 1: there is something behind # EOF");
  CHECK(open_metrics("# EOF") == "end");
  CHECK(open_metrics("# hello\n# EOF\n") ==
        "broken: line 1: expected HELP, TYPE, UNIT or EOF after #");
  CHECK(open_metrics("\n# EOF\n") == "broken: line 1: expected the name of a metric");
  CHECK(open_metrics("a  1\n# EOF\n") == "broken: line 1: not a value");
}

TEST_CASE("exposition: the format is what Content-Type says") {
  CHECK(exposition_format("text/plain; version=0.0.4; charset=utf-8") == Format::kText);
  CHECK(exposition_format("application/openmetrics-text; version=1.0.0") == Format::kOpenMetrics);
  CHECK_FALSE(exposition_format("text/html"));
  CHECK_FALSE(exposition_format(""));
}

}  // namespace agent::wire
