#include "fleetctl/template/moments.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;
constexpr std::int64_t kFirst = -62'135'596'800 * kSecond;  // 0001-01-01
constexpr std::int64_t kLast = 253'402'300'800 * kSecond;   // after 9999-12-31

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}
std::int64_t floor_mod(std::int64_t a, std::int64_t b) { return a - floor_div(a, b) * b; }

std::string fraction(std::int64_t microseconds) {
  if (microseconds == 0) return "";
  std::array<char, 16> out{};
  std::snprintf(out.data(), out.size(), ".%06d", static_cast<int>(microseconds));
  return out.data();
}

class Moment final : public RuntimeObject {
 public:
  explicit Moment(std::int64_t at) : at_(at) {
    const std::time_t seconds = floor_div(at_, kSecond);
    gmtime_r(&seconds, &parts_);
  }
  std::int64_t at() const { return at_; }
  std::string_view type_name() const override { return "datetime"; }
  std::string text() const override { return shown(' '); }
  Outcome<std::optional<Value>> get(Interpreter&, const Value& key) override {
    const std::string name = value::str(key);
    const auto number = [](std::int64_t n) { return std::optional<Value>(Value::integer(n)); };
    if (name == "year") return number(parts_.tm_year + 1900);
    if (name == "month") return number(parts_.tm_mon + 1);
    if (name == "day") return number(parts_.tm_mday);
    if (name == "hour") return number(parts_.tm_hour);
    if (name == "minute") return number(parts_.tm_min);
    if (name == "second") return number(parts_.tm_sec);
    if (name == "microsecond") return number(floor_mod(at_, kSecond));
    return std::optional<Value>();
  }
  bool has_method(std::string_view name) const override {
    return name == "strftime" || name == "isoformat" || name == "timestamp" || name == "weekday" ||
           name == "isoweekday" || name == "toordinal";
  }
  Outcome<Value> call_method(Interpreter& in, std::string_view name, Args args) override {
    if (name == "strftime") {
      if (args.positional.size() != 1) return bad("strftime() takes exactly 1 argument");
      TEMPLATE_TRY(format, in.text_of(args.positional[0]));
      if (format.size() > 1000) return bad("the format is too long");
      for (auto at = format.find("%f"); at != std::string::npos; at = format.find("%f", at))
        format.replace(at, 2, ("." + std::to_string(kSecond + floor_mod(at_, kSecond))).substr(2));
      return Value::string(format_time(format, parts_));
    }
    if (!args.positional.empty() || !args.named.empty())
      return bad(std::string(name) + "() takes no arguments here");
    if (name == "isoformat") return Value::string(shown('T'));
    if (name == "weekday") return Value::integer((parts_.tm_wday + 6) % 7);
    if (name == "isoweekday") return Value::integer((parts_.tm_wday + 6) % 7 + 1);
    if (name == "toordinal") return Value::integer(floor_div(at_ - kFirst, kDay) + 1);
    // The time zone of this machine, as Python takes it.
    std::tm local = parts_;
    local.tm_isdst = -1;
    const std::time_t seconds = std::mktime(&local);
    return Value::real(static_cast<double>(seconds) +
                       static_cast<double>(floor_mod(at_, kSecond)) / 1e6);
  }

 private:
  std::string shown(char separator) const {
    std::array<char, 80> out{};
    std::snprintf(out.data(), out.size(), "%04d-%02d-%02d%c%02d:%02d:%02d", parts_.tm_year + 1900,
                  parts_.tm_mon + 1, parts_.tm_mday, separator, parts_.tm_hour, parts_.tm_min,
                  parts_.tm_sec);
    return out.data() + fraction(floor_mod(at_, kSecond));
  }
  std::int64_t at_;
  std::tm parts_{};
};

class Duration final : public RuntimeObject {
 public:
  explicit Duration(std::int64_t length) : length_(length) {}
  std::int64_t length() const { return length_; }
  std::string_view type_name() const override { return "timedelta"; }
  std::string text() const override {
    const std::int64_t days = floor_div(length_, kDay);
    const std::int64_t rest = floor_mod(length_, kDay);
    const std::int64_t seconds = rest / kSecond;
    std::array<char, 80> out{};
    std::snprintf(out.data(), out.size(), "%d:%02d:%02d", static_cast<int>(seconds / 3600),
                  static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
    std::string before;
    if (days != 0) before = std::to_string(days) + (days == 1 || days == -1 ? " day, " : " days, ");
    return before + out.data() + fraction(rest % kSecond);
  }
  Outcome<std::optional<Value>> get(Interpreter&, const Value& key) override {
    const std::string name = value::str(key);
    if (name == "days") return std::optional<Value>(Value::integer(floor_div(length_, kDay)));
    if (name == "seconds")
      return std::optional<Value>(Value::integer(floor_mod(length_, kDay) / kSecond));
    if (name == "microseconds")
      return std::optional<Value>(Value::integer(floor_mod(length_, kSecond)));
    return std::optional<Value>();
  }
  bool has_method(std::string_view name) const override { return name == "total_seconds"; }
  Outcome<Value> call_method(Interpreter&, std::string_view, Args) override {
    return Value::real(static_cast<double>(length_) / 1e6);
  }

 private:
  std::int64_t length_;
};

Value duration(std::int64_t length) { return Value::object(std::make_shared<Duration>(length)); }

template <class T>
const T* as(const Value& v) {
  return v.is_object() ? dynamic_cast<const T*>(v.as_object().get()) : nullptr;
}

// std::nullopt: the text goes on otherwise.
std::optional<std::int64_t> read_fraction(const char*& at) {
  std::int64_t out = 0;
  int digits = 0;
  for (; digits < 6 && *at >= '0' && *at <= '9'; ++digits) out = out * 10 + (*at++ - '0');
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) out *= 10;
  return out;
}

}  // namespace

Value make_moment(std::int64_t microseconds) {
  return Value::object(std::make_shared<Moment>(microseconds));
}

std::string format_time(const std::string& format, const std::tm& parts) {
  std::string out(8192, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &parts));
  return out;
}

Outcome<Value> parse_moment(const std::string& text, const std::string& format) {
  const auto mismatch = [&] {
    return bad("the text does not match the format " + value::repr(Value::string(format), 200));
  };
  if (text.size() > 1000 || format.size() > 1000 || text.find('\0') != std::string::npos)
    return mismatch();
  for (const std::string_view zone : {"%z", "%Z", "%s"}) {
    if (format.find(zone) != std::string::npos)
      return bad(std::string(zone) + " is not supported: times have no zone here");
  }
  std::tm parts{};
  parts.tm_mday = 1;
  std::int64_t part_of_second = 0;
  const char* at = text.c_str();
  for (std::size_t from = 0; from <= format.size();) {
    const std::size_t f = std::min(format.find("%f", from), format.size());
    if (f > from) {
      at = ::strptime(at, format.substr(from, f - from).c_str(), &parts);
      if (at == nullptr) return mismatch();
    }
    if (f == format.size()) break;
    const auto read = read_fraction(at);
    if (!read) return mismatch();
    part_of_second = *read;
    from = f + 2;
  }
  if (*at != '\0') return mismatch();
  const int day = parts.tm_mday;
  const std::int64_t seconds = timegm(&parts);
  if (parts.tm_mday != day) return bad("day is out of range for month");
  const std::int64_t moment = seconds * kSecond + part_of_second;
  if (moment < kFirst || moment >= kLast) return mismatch();
  return make_moment(moment);
}

std::optional<Value> moment_arithmetic(Op op, const Value& left, const Value& right) {
  const auto* a = as<Moment>(left);
  const auto* b = as<Moment>(right);
  const auto* c = as<Duration>(left);
  const auto* d = as<Duration>(right);
  const auto later = [](std::int64_t at, std::int64_t by, bool back) -> std::optional<Value> {
    std::int64_t out = 0;
    const bool far =
        back ? __builtin_sub_overflow(at, by, &out) : __builtin_add_overflow(at, by, &out);
    if (far || out < kFirst || out >= kLast) return std::nullopt;
    return make_moment(out);
  };
  const auto ordered = [op](std::int64_t x, std::int64_t y) -> std::optional<Value> {
    if (op == Op::kEq) return Value::boolean(x == y);
    if (op == Op::kNe) return Value::boolean(x != y);
    if (op == Op::kLt) return Value::boolean(x < y);
    if (op == Op::kLe) return Value::boolean(x <= y);
    if (op == Op::kGt) return Value::boolean(x > y);
    if (op == Op::kGe) return Value::boolean(x >= y);
    return std::nullopt;
  };
  if (a != nullptr && b != nullptr)
    return op == Op::kSub ? duration(a->at() - b->at()) : ordered(a->at(), b->at());
  if (a != nullptr && d != nullptr && (op == Op::kAdd || op == Op::kSub))
    return later(a->at(), d->length(), op == Op::kSub);
  if (c != nullptr && b != nullptr && op == Op::kAdd) return later(b->at(), c->length(), false);
  if (c != nullptr && d != nullptr) {
    if (op == Op::kAdd) return duration(c->length() + d->length());
    if (op == Op::kSub) return duration(c->length() - d->length());
    if (op == Op::kDiv && d->length() != 0)
      return Value::real(static_cast<double>(c->length()) / static_cast<double>(d->length()));
    if (op == Op::kFloorDiv && d->length() != 0)
      return Value::integer(floor_div(c->length(), d->length()));
    return ordered(c->length(), d->length());
  }
  return std::nullopt;
}

}  // namespace fleetctl::template_
