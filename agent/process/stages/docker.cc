// stage.docker: a line of Docker's json-file log driver,
// {"log":"text\n","stream":"stdout","time":"RFC 3339"}.
//
// Only when it is one and `log` is not empty: the line becomes `log` (its line end stays), the
// label stream and the time are set, and extracted get output, stream and timestamp; also time,
// under which configurations look for it because the file calls it so (Alloy has no such key).
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"
#include "agent/wire/docker_stream.h"
#include "agent/wire/json.h"

namespace agent::process {
namespace {

struct DockerArgs {
  static component::Schema<DockerArgs> schema() { return component::Schema<DockerArgs>(); }
};

class Docker final : public Stage {
 public:
  using Arguments = DockerArgs;
  Docker(Arguments, const StageHost& host) : memo_(host.labels) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto root = document_.parse(item.line);
      if (!root) continue;
      const auto log = text_of(*root, "log");
      if (!log || log->empty()) continue;
      const auto stream = text_of(*root, "stream");
      const auto time = text_of(*root, "time");
      item.line = batch.arena.store(*log);
      item.set("output", item.line);
      if (time) {
        const std::string_view text = batch.arena.store(*time);
        item.set("timestamp", text);
        item.set("time", text);
        if (const auto ns = wire::parse_docker_time(*time)) item.time_ns = *ns;
      }
      if (stream && !stream->empty()) {
        const std::string_view name = *stream == "stdout"   ? "stdout"
                                      : *stream == "stderr" ? "stderr"
                                                            : batch.arena.store(*stream);
        item.set("stream", name);
        label(item, name);
      }
    }
  }

 private:
  static std::optional<std::string_view> text_of(const wire::JsonNode& root, std::string_view key) {
    const auto node = root.find(key);
    if (!node || node->kind() != wire::JsonNode::Kind::kString) return std::nullopt;
    return node->string();
  }

  void label(Item& item, std::string_view stream) {
    // Neighbours nearly always are of one stream.
    if (!(item.labels == before_) || stream != stream_ || stream_.empty()) {
      before_ = item.labels;
      stream_ = stream;
      after_ = memo_.apply(item.labels, {{"stream", stream}});
    }
    item.labels = after_;
  }

  wire::JsonDocument document_;
  LabelMemo memo_;
  model::LabelSet before_;
  model::LabelSet after_;
  std::string stream_;
};

}  // namespace

StageDeclaration stage_docker() {
  return declare_stage<Docker>("docker", "Takes a line of Docker's json-file log driver apart.");
}

}  // namespace agent::process
