#include "fleetctl/inventory/shell_words.h"

namespace fleetctl::inventory {

agent::Result<std::vector<std::string>> split_shell_words(std::string_view text,
                                                          Comments comments) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  const auto finish = [&] {
    if (in_word) words.push_back(std::move(word));
    word.clear();
    in_word = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      finish();
    } else if (c == '#' && comments == Comments::kYes) {
      finish();
      i = text.find('\n', i);
      if (i == std::string_view::npos) break;
    } else if (c == '\\') {
      in_word = true;
      if (++i == text.size())
        return agent::fail(agent::ErrorCode::kInvalid, "nothing follows the backslash at the end");
      word += text[i];
    } else if (c == '\'' || c == '"') {
      in_word = true;
      for (++i; i < text.size() && text[i] != c; ++i) {
        if (c == '"' && text[i] == '\\' && i + 1 < text.size() &&
            (text[i + 1] == '"' || text[i + 1] == '\\'))
          ++i;
        word += text[i];
      }
      if (i >= text.size())
        return agent::fail(agent::ErrorCode::kInvalid,
                           std::string("the quote ") + c + " is not closed");
    } else {
      in_word = true;
      word += c;
    }
  }
  finish();
  return words;
}

}  // namespace fleetctl::inventory
