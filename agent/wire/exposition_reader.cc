// text 0.0.4:
//   page    := { [ blanks ] [ comment | sample ] LF }        the last LF may be missing
//   comment := "#" ( blanks ( "HELP" | "TYPE" ) blanks name blanks text | anything )
//   sample  := ( name [ blanks ] [ labels ] | "{" quoted [ "," ... ] "}" ) blanks value [ blanks ms
//   ] labels  := "{" [ label { "," label } [ "," ] ] "}"       blanks between the tokens label   :=
//   name "=" quoted quoted  := '"' { byte | \\ | \" | \n } '"'
// OpenMetrics: single blanks, no empty lines, UNIT beside HELP and TYPE, times in seconds, after a
// sample an exemplar ` # {labels} value [seconds]`, and at the end the line `# EOF`.
#include "agent/wire/exposition_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "agent/base/strings.h"
#include "agent/model/sample.h"

namespace agent::wire {
namespace {

constexpr std::uint8_t kNameByte = 1;  // of a metric's name
constexpr std::uint8_t kNameStart = 2;
constexpr std::uint8_t kLabelByte = 4;  // of a label's name
constexpr std::array<std::uint8_t, 256> kBytes = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (letter) table[c] = kNameByte | kNameStart | kLabelByte;
    if (digit) table[c] = kNameByte | kLabelByte;
    if (c == ':') table[c] = kNameByte | kNameStart;
  }
  return table;
}();
bool is(std::uint8_t what, char c) { return (kBytes[static_cast<unsigned char>(c)] & what) != 0; }

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Behind the quote that ends the text starting at `at` (behind its own quote); null without one.
const char* skip_quoted(const char* at, const char* end) {
  while (const auto* quote =
             static_cast<const char*>(std::memchr(at, '"', static_cast<std::size_t>(end - at)))) {
    const char* slash = quote;
    while (slash > at && slash[-1] == '\\') --slash;
    if ((quote - slash) % 2 == 0) return quote + 1;
    at = quote + 1;
  }
  return nullptr;
}

// Backslash escapes of `text`; unknown ones stay as they are in help texts, and are false in
// quotes.
bool unescape(std::string_view text, bool quotes, std::string& out) {
  out.clear();
  while (true) {
    const std::size_t slash = text.find('\\');
    out += text.substr(0, slash);
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
    const char c = text.empty() ? '\0' : text.front();
    if (c == '\\') {
      out += '\\';
    } else if (c == 'n') {
      out += '\n';
    } else if (c == '"' && quotes) {
      out += '"';
    } else if (quotes) {
      return false;
    } else {
      out += '\\';
      if (text.empty()) return true;
      out += c;
    }
    text.remove_prefix(1);
  }
}

std::optional<model::MetricType> type_named(std::string_view name, ExpositionFormat format) {
  using T = model::MetricType;
  if (name == "counter") return T::kCounter;
  if (name == "gauge") return T::kGauge;
  if (name == "histogram") return T::kHistogram;
  if (name == "summary") return T::kSummary;
  if (format == ExpositionFormat::kText) {
    if (name == "untyped") return T::kUnknown;
    return std::nullopt;
  }
  if (name == "unknown") return T::kUnknown;
  if (name == "gaugehistogram") return T::kGaugeHistogram;
  if (name == "info") return T::kInfo;
  if (name == "stateset") return T::kStateSet;
  return std::nullopt;
}

// What labels_of() reads: tokens with blanks between them.
class LabelText {
 public:
  explicit LabelText(std::string_view text) : rest_(text) {}
  bool take(char c) {
    blanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at(char c) {
    blanks();
    return !rest_.empty() && rest_.front() == c;
  }
  std::string_view name(std::uint8_t bytes, std::uint8_t start) {
    blanks();
    if (rest_.empty() || !is(start, rest_.front()) || !is(bytes, rest_.front())) return {};
    std::size_t n = 1;
    while (n < rest_.size() && is(bytes, rest_[n])) ++n;
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  // The inside of a quoted text, unescaped.
  bool quoted(std::string& out) {
    if (!take('"')) return false;
    const char* end = skip_quoted(rest_.data(), rest_.data() + rest_.size());
    if (end == nullptr) return false;
    const auto n = static_cast<std::size_t>(end - rest_.data());
    const std::string_view inside = rest_.substr(0, n - 1);
    rest_.remove_prefix(n);
    return unescape(inside, true, out);
  }
  bool done() {
    blanks();
    return rest_.empty();
  }

 private:
  void blanks() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

tl::unexpected<Error> bad(std::string_view what, std::string_view series) {
  return fail(ErrorCode::kInvalid,
              std::string(what) + " in " + json_string(to_valid_utf8(series.substr(0, 200))));
}

}  // namespace

std::optional<ExpositionFormat> exposition_format(std::string_view content_type) {
  const std::string_view kind = trim(content_type.substr(0, content_type.find(';')));
  if (kind == "application/openmetrics-text") return ExpositionFormat::kOpenMetrics;
  if (kind == "text/plain") return ExpositionFormat::kText;
  return std::nullopt;
}

std::optional<double> parse_sample_value(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) return std::nullopt;
  }
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::invalid_argument || stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero or nearly so; too large is no number.
    if (text.size() > 2000) return std::nullopt;
    value = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
  }
  if (std::isnan(value)) {
    if (text.back() == ')') return std::nullopt;
    value = std::bit_cast<double>(std::uint64_t{0x7ff8000000000001});  // not the stale marker
  }
  return value;
}

ExpositionReader::Item ExpositionReader::broken(const char* what) {
  error_ = what;
  ended_ = true;
  return Item::kBroken;
}

std::string ExpositionReader::error() const {
  return "line " + std::to_string(line_) + ": " + (error_ == nullptr ? "" : error_);
}

// Goes over blanks; OpenMetrics has exactly one where it has any. False when there is none.
bool ExpositionReader::blanks() {
  if (at_ == end_ || (*at_ != ' ' && (format_ == ExpositionFormat::kOpenMetrics || *at_ != '\t')))
    return false;
  ++at_;
  if (format_ == ExpositionFormat::kText)
    while (at_ != end_ && is_blank(*at_)) ++at_;
  return true;
}

std::string_view ExpositionReader::word() {
  const char* start = at_;
  while (at_ != end_ && *at_ != '\n' && !is_blank(*at_)) ++at_;
  return {start, static_cast<std::size_t>(at_ - start)};
}

bool ExpositionReader::number(double& out) {
  const std::string_view text = word();
  // Most values are small whole numbers.
  if (!text.empty() && text.size() <= 15) {
    std::uint64_t whole = 0;
    std::size_t i = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
      whole = whole * 10 + static_cast<std::uint64_t>(text[i] - '0');
    if (i == text.size()) {
      out = static_cast<double>(whole);
      return true;
    }
  }
  const auto value = parse_sample_value(text);
  if (!value) return false;
  out = *value;
  return true;
}

bool ExpositionReader::time(std::int64_t& out) {
  const std::string_view text = word();
  const char* end = text.data() + text.size();
  if (format_ == ExpositionFormat::kText) {
    const auto [stop, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && stop == end;
  }
  const auto seconds = parse_sample_value(text);
  if (!seconds || !std::isfinite(*seconds) || std::fabs(*seconds) > 9e15) return false;
  out = static_cast<std::int64_t>(*seconds * 1000);
  return true;
}

// Stands at a `{`; goes behind its `}`.
bool ExpositionReader::skip_labels() {
  for (++at_; at_ != end_; ++at_) {
    const char c = *at_;
    if (c == '}') {
      ++at_;
      return true;
    }
    if (c == '\n') return false;
    if (c != '"') continue;
    const char* after = skip_quoted(at_ + 1, end_);
    if (after == nullptr) return false;
    at_ = after - 1;
  }
  return false;
}

ExpositionReader::Item ExpositionReader::next() {
  if (ended_) return Item::kEnd;
  while (true) {
    ++line_;
    if (format_ == ExpositionFormat::kText) {
      while (at_ != end_ && is_blank(*at_)) ++at_;
      if (at_ == end_) {
        ended_ = true;
        return Item::kEnd;
      }
      if (*at_ == '\n') {
        ++at_;
        continue;
      }
    } else if (at_ == end_) {
      return broken("the page does not end with # EOF");
    }
    if (*at_ != '#') return sample();
    const Item item = comment();
    if (item != Item::kSample) return item;  // here: a comment that says nothing
  }
}

ExpositionReader::Item ExpositionReader::comment() {
  const auto* line_end =
      static_cast<const char*>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)));
  const char* after = line_end == nullptr ? end_ : line_end + 1;
  const char* stop = line_end == nullptr ? end_ : line_end;
  const bool open_metrics = format_ == ExpositionFormat::kOpenMetrics;
  if (open_metrics && std::string_view(at_, static_cast<std::size_t>(stop - at_)) == "# EOF") {
    if (after != end_) return broken("there is something behind # EOF");
    ended_ = true;
    return Item::kEnd;
  }
  ++at_;
  Item item = Item::kSample;
  if (blanks()) {
    const std::string_view what = word();
    if (what == "HELP") item = Item::kHelp;
    if (what == "TYPE") item = Item::kType;
    if (what == "UNIT" && open_metrics) item = Item::kUnit;
  }
  if (item == Item::kSample) {
    if (open_metrics) return broken("expected HELP, TYPE, UNIT or EOF after #");
    at_ = after;
    return item;
  }
  if (!blanks()) return broken("expected the name of a metric");
  if (at_ != end_ && *at_ == '"') {
    const char* start = at_ + 1;
    const char* behind = skip_quoted(start, stop);
    if (behind == nullptr) return broken("the name of a metric has no end");
    series_ = {start, static_cast<std::size_t>(behind - 1 - start)};
    at_ = behind;
  } else {
    series_ = word();
    if (series_.empty() || !is(kNameStart, series_.front()) ||
        !std::all_of(series_.begin(), series_.end(), [](char c) { return is(kNameByte, c); }))
      return broken("not the name of a metric");
  }
  const bool more = blanks();
  text_ = {at_, static_cast<std::size_t>(stop - at_)};
  at_ = after;
  if (open_metrics && !more && item != Item::kHelp) return broken("expected a blank");
  if (item == Item::kType) {
    const auto type = type_named(format_ == ExpositionFormat::kText ? trim(text_) : text_, format_);
    if (!type) return broken("not a type of metric");
    type_ = *type;
  }
  return item;
}

std::string ExpositionReader::text() const {
  std::string out;
  unescape(text_, false, out);
  return to_valid_utf8(out);
}

ExpositionReader::Item ExpositionReader::sample() {
  const char* start = at_;
  time_ms_.reset();
  exemplar_.reset();
  while (at_ != end_ && is(kNameByte, *at_)) ++at_;
  const char* name_end = at_;
  if (format_ == ExpositionFormat::kText)
    while (at_ != end_ && is_blank(*at_)) ++at_;
  if (at_ != end_ && *at_ == '{') {
    if (!skip_labels()) return broken("the labels have no end");
    name_end = at_;
  }
  if (*start != '{' && (name_end == start || !is(kNameStart, *start))) {
    return broken("expected the name of a metric");
  }
  series_ = {start, static_cast<std::size_t>(name_end - start)};
  at_ = name_end;
  if (!blanks()) {
    // {a="b"}1 is fine in the text format.
    if (format_ == ExpositionFormat::kOpenMetrics || name_end[-1] != '}')
      return broken("expected a value after the series");
  }
  if (!number(value_)) return broken("not a value");
  if (blanks() && at_ != end_ && *at_ != '\n' && *at_ != '#') {
    std::int64_t ms = 0;
    if (!time(ms)) return broken("not a time");
    time_ms_ = ms;
    blanks();
  }
  if (format_ == ExpositionFormat::kOpenMetrics && at_ != end_ && *at_ == '#') {
    ++at_;
    Exemplar exemplar;
    if (!blanks() || at_ == end_ || *at_ != '{') return broken("expected an exemplar after #");
    const char* labels = at_;
    if (!skip_labels()) return broken("the exemplar's labels have no end");
    exemplar.labels = {labels, static_cast<std::size_t>(at_ - labels)};
    if (!blanks() || !number(exemplar.value)) return broken("not an exemplar's value");
    if (blanks()) {
      std::int64_t ms = 0;
      if (!time(ms)) return broken("not an exemplar's time");
      exemplar.time_ms = ms;
    }
    exemplar_ = exemplar;
  }
  if (at_ == end_) {
    if (format_ == ExpositionFormat::kOpenMetrics)
      return broken("the page does not end with # EOF");
    return Item::kSample;
  }
  if (*at_ != '\n') return broken("something stands behind the sample");
  ++at_;
  return Item::kSample;
}

Result<model::Labels> ExpositionReader::labels_of(std::string_view series) {
  LabelText text(series);
  model::Labels labels;
  labels.reserve(8);  // more than most series have
  std::string value;
  const std::string_view name = text.name(kNameByte, kNameStart);
  if (!name.empty()) labels.push_back({model::kMetricNameLabel, std::string(name)});
  if (text.take('{')) {
    while (!text.at('}')) {
      if (text.at('"')) {  // {"a name with blanks", ...}, or a label's name in quotes
        std::string quoted;
        if (!text.quoted(quoted) || quoted.empty()) return bad("a broken name", series);
        if (text.take('=')) {
          if (!text.quoted(value)) return bad("a broken label value", series);
          labels.push_back({std::move(quoted), std::move(value)});
        } else {
          labels.push_back({model::kMetricNameLabel, std::move(quoted)});
        }
      } else {
        const std::string_view label = text.name(kLabelByte, kNameStart);
        if (label.empty()) return bad("not a label name", series);
        if (!text.take('=') || !text.quoted(value))
          return bad("a label without a quoted value", series);
        labels.push_back({std::string(label), std::move(value)});
      }
      if (text.take(',')) continue;
      if (!text.at('}')) return bad("no comma between labels", series);
    }
    text.take('}');
  }
  if (!text.done()) return bad("something behind the labels", series);
  for (const model::Label& label : labels)
    if (!is_valid_utf8(label.value) || !is_valid_utf8(label.name))
      return bad("bytes that are not UTF-8", series);
  std::sort(labels.begin(), labels.end(),
            [](const model::Label& a, const model::Label& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < labels.size(); ++i)
    if (labels[i].name == labels[i - 1].name)
      return bad("the label " + labels[i].name + " twice", series);
  labels.erase(std::remove_if(labels.begin(), labels.end(),
                              [](const model::Label& label) { return label.value.empty(); }),
               labels.end());
  return labels;
}

}  // namespace agent::wire
