// Answers of a Docker daemon made of arbitrary bytes: no crash, whatever they are taken for.
#include "agent/wire/docker_api.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)agent::wire::parse_docker_containers(text);
  (void)agent::wire::parse_docker_inspection(text);
  (void)agent::wire::parse_docker_networks(text);
  (void)agent::wire::parse_docker_info(text);
  (void)agent::wire::docker_error_message(text);
  agent::wire::DockerEvents events;
  for (std::size_t at = 0; at < size; at += 7) events.feed(text.substr(at, 7), [](const auto&) {});
  return 0;
}
