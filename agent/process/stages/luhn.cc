// stage.luhn: replaces numbers that pass the Luhn checksum (credit cards, IMEI). A run of digits
// counts that is at least min_length long and fits into 64 bits; delimiters may stand between them.
#include <algorithm>
#include <charconv>

#include "agent/model/expression.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct LuhnArgs {
  std::string replacement = "**REDACTED**";
  std::string source;
  std::int64_t min_length = 13;
  std::string delimiters;
  std::string skip_regex;
  static component::Schema<LuhnArgs> schema() {
    return component::Schema<LuhnArgs>()
        .optional("replacement", &LuhnArgs::replacement,
                  "What stands for the number; empty is the default.")
        .optional("source", &LuhnArgs::source,
                  "Extracted value to read instead of the line; what comes out is the line in "
                  "either case.")
        .optional("min_length", &LuhnArgs::min_length,
                  "Digits that a number has at least; below 1 is the default.")
        .optional("delimiters", &LuhnArgs::delimiters,
                  "Characters that may stand between the digits of a number.")
        .optional("skip_regex", &LuhnArgs::skip_regex,
                  "What this RE2 expression matches stays as it is.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (!skip_regex.empty()) check_expression(skip_regex, body, "skip_regex", diagnostics);
  }
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of a text of digits.
bool passes(std::string_view digits) {
  std::int64_t number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc())
    return false;
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int digit = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

class Luhn final : public Stage {
 public:
  using Arguments = LuhnArgs;
  Luhn(Arguments args, const StageHost&) : args_(std::move(args)) {
    const LuhnArgs defaults;
    if (args_.replacement.empty()) args_.replacement = defaults.replacement;
    if (args_.min_length < 1) args_.min_length = defaults.min_length;
    if (!args_.skip_regex.empty()) skip_ = model::Expression::compile(args_.skip_regex).value();
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      std::string_view text = item.line;
      if (!args_.source.empty()) {
        const auto value = item.find(args_.source);
        const auto* source = value ? std::get_if<std::string_view>(&*value) : nullptr;
        if (source == nullptr) continue;
        text = *source;
      }
      item.line = redact(text) ? batch.arena.store(out_) : text;
    }
  }

 private:
  // Puts the redacted text into out_; false when it is the same.
  bool redact(std::string_view text) {
    out_.clear();
    bool changed = false;
    std::size_t done = 0;
    for (std::size_t from = 0; skip_ && from <= text.size();) {
      const std::string_view kept = skip_->find(text, from);
      if (kept.data() == nullptr) break;
      const auto at = static_cast<std::size_t>(kept.data() - text.data());
      if (!kept.empty()) {
        changed = redact_part(text.substr(done, at - done)) || changed;
        out_ += kept;
        done = at + kept.size();
      }
      from = at + std::max<std::size_t>(kept.size(), 1);
    }
    return redact_part(text.substr(done)) || changed;
  }

  bool redact_part(std::string_view text) {
    bool changed = false;
    for (std::size_t i = 0; i < text.size();) {
      if (!is_digit(text[i])) {
        out_ += text[i++];
        continue;
      }
      digits_.clear();
      std::size_t end = i;  // of the last digit
      for (std::size_t j = i; j < text.size(); ++j) {
        if (is_digit(text[j])) {
          digits_ += text[j];
          end = j + 1;
        } else if (args_.delimiters.find(text[j]) == std::string::npos) {
          break;
        }
      }
      if (digits_.size() >= static_cast<std::size_t>(args_.min_length) && passes(digits_)) {
        out_ += args_.replacement;
        changed = true;
      } else {
        out_.append(text.substr(i, end - i));
      }
      i = end;
    }
    return changed;
  }

  Arguments args_;
  std::optional<model::Expression> skip_;
  std::string out_;
  std::string digits_;
};

}  // namespace

StageDeclaration stage_luhn() {
  return declare_stage<Luhn>("luhn", "Replaces numbers that pass the Luhn checksum.");
}

}  // namespace agent::process
