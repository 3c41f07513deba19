// The grammar is collector.proto's.
#include "agent/wire/collector.h"

#include <limits>

#include "agent/base/strings.h"
#include "collector.pb.h"

namespace agent::wire {
namespace {

template <class Message>
void put_collector(const Collector& collector, Message& message) {
  message.set_id(to_valid_utf8(collector.id));
  for (const auto& [name, value] : collector.attributes)
    (*message.mutable_local_attributes())[to_valid_utf8(name)] = to_valid_utf8(value);
}

}  // namespace

std::string encode_get_config(const Collector& collector, std::string_view hash,
                              const std::optional<ConfigStatus>& status,
                              const std::optional<std::string>& running) {
  proto::GetConfigRequest message;
  put_collector(collector, message);
  message.set_hash(to_valid_utf8(hash));
  if (status) {
    message.mutable_status()->set_state(static_cast<int>(status->state));
    message.mutable_status()->set_error(to_valid_utf8(status->error));
  }
  if (running) {
    proto::ConfigFile& file = (*message.mutable_effective()->mutable_files()->mutable_files())[""];
    file.set_body(*running);
    file.set_content_type("text/plain");
  }
  return message.SerializeAsString();
}

std::string encode_register_collector(const Collector& collector) {
  proto::RegisterCollectorRequest message;
  put_collector(collector, message);
  message.set_name(to_valid_utf8(collector.name));
  return message.SerializeAsString();
}

std::string encode_unregister_collector(std::string_view id) {
  proto::UnregisterCollectorRequest message;
  message.set_id(to_valid_utf8(id));
  return message.SerializeAsString();
}

Result<ConfigAnswer> decode_get_config(std::string_view body) {
  proto::GetConfigResponse message;
  if (body.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      !is_valid_utf8(message.content()) || !is_valid_utf8(message.hash()))
    return fail(ErrorCode::kInvalid, "the answer is no GetConfigResponse");
  return ConfigAnswer{std::move(*message.mutable_content()), std::move(*message.mutable_hash()),
                      message.not_modified()};
}

}  // namespace agent::wire
