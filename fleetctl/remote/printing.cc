#include "fleetctl/remote/printing.h"

#include "agent/base/strings.h"

namespace fleetctl::remote {
namespace {

bool is_text(std::string_view bytes) {
  return agent::is_valid_utf8(bytes) && bytes.find('\0') == std::string_view::npos;
}

void print(std::string& out, std::string_view bytes) {
  if (!is_text(bytes)) {
    out += "> (" + std::to_string(bytes.size()) + " bytes)\n";
    return;
  }
  if (!bytes.empty() && bytes.back() == '\n') bytes.remove_suffix(1);
  for (const auto line : agent::split(bytes, '\n')) out.append("> ").append(line).append("\n");
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

Result<int> Printing::exec(const std::string& command, Dialogue& dialogue, Mono) {
  transcript_ += "exec " + command + "\n";
  Input input;
  dialogue.on_start(input);
  std::string since;
  const auto drain = [&] {
    while (!input.empty()) {
      const std::string part(input.next());
      print(transcript_, part);
      since += part;
      input.consume(part.size());
    }
  };
  for (const Answer& answer : answers_) {
    drain();
    if (!ends_with(since, answer.after)) {
      return agent::fail(ErrorCode::kInvalid,
                         "the transcript expected input that ends with: " + answer.after);
    }
    since.clear();
    if (auto told = dialogue.on_output(answer.reply, input); !told)
      return agent::fail(told.error());
  }
  drain();
  transcript_ += input.closed() ? "> (end)\n" : "";
  return status_;
}

}  // namespace fleetctl::remote
