// stage.split_json: an entry whose text is a JSON array becomes one entry for each of its elements,
// whose line is the element's text, byte for byte. Every other entry goes on as it is; an empty
// array leaves nothing.
#include "agent/process/stage.h"
#include "agent/wire/json.h"

namespace agent::process {
namespace {

// An array of more stays one entry: each element costs far more memory than its text.
constexpr std::size_t kMostElements = 50'000;

struct SplitJsonArgs {
  std::string source;
  static component::Schema<SplitJsonArgs> schema() {
    return component::Schema<SplitJsonArgs>().optional(
        "source", &SplitJsonArgs::source,
        "Extracted value that holds the array; empty is the line.");
  }
};

// The elements' texts in the text of an array that is known to be JSON.
std::vector<std::string_view> elements_of(std::string_view array) {
  std::vector<std::string_view> out;
  std::size_t begin = array.find('[') + 1;
  int depth = 0;
  const auto add = [&](std::size_t end) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::string_view text = array.substr(begin, end - begin);
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return;  // of an empty array
    out.push_back(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
  };
  for (std::size_t i = begin; i < array.size(); ++i) {
    switch (array[i]) {
      case '"':
        for (++i; array[i] != '"'; ++i)
          if (array[i] == '\\') ++i;
        break;
      case '[':
      case '{':
        ++depth;
        break;
      case '}':
        --depth;
        break;
      case ']':
        if (depth-- == 0) {
          add(i);
          return out;
        }
        break;
      case ',':
        if (depth > 0) break;
        add(i);
        begin = i + 1;
        break;
      default:
        break;
    }
  }
  return out;
}

class SplitJson final : public Stage {
 public:
  using Arguments = SplitJsonArgs;
  SplitJson(Arguments args, const StageHost& host)
      : args_(std::move(args)), log_(host.log), dropped_(host.dropped("empty_json_array")) {}

  void process(Batch& batch) override {
    std::vector<Item> out;
    out.reserve(batch.items.size());
    for (Item& item : batch.items) {
      const auto elements = split(item, batch.arena);
      if (!elements) {
        out.push_back(std::move(item));
        continue;
      }
      if (elements->empty()) dropped_->increment();
      for (const std::string_view element : *elements) {
        out.push_back(item);
        out.back().line = element;
      }
    }
    batch.items = std::move(out);
  }

 private:
  std::optional<std::vector<std::string_view>> split(const Item& item, model::Arena& arena) {
    const auto text = source_text(item, args_.source, arena);
    if (!text) return std::nullopt;
    const std::size_t first = text->find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || (*text)[first] != '[') return std::nullopt;
    if (!document_.parse(*text)) {
      log_.limited(Level::kDebug, "stage.split_json: an array is not JSON");
      return std::nullopt;
    }
    auto elements = elements_of(*text);
    if (elements.size() > kMostElements) {
      log_.limited(Level::kWarn, "stage.split_json: an array has too many elements to be split",
                   {{"elements", std::to_string(elements.size())}});
      return std::nullopt;
    }
    return elements;
  }

  const Arguments args_;
  const Log log_;
  component::Counter dropped_;
  wire::JsonDocument document_;
};

}  // namespace

StageDeclaration stage_split_json() {
  return declare_stage<SplitJson>("split_json", "Makes an entry of each element of a JSON array.");
}

}  // namespace agent::process
