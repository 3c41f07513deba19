// The arguments of loki.source.file, and which of them are refused.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/component/receiver.h"
#include "agent/component/schema.h"
#include "agent/io/decompressor.h"
#include "agent/lang/body.h"
#include "agent/model/labels.h"

namespace agent::source {

struct DecompressionArgs {
  bool enabled = false;
  Duration initial_delay{};
  std::string format;

  std::optional<io::Compression> compression() const;
  static component::Schema<DecompressionArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct FileWatchArgs {
  Duration min_poll_frequency = std::chrono::milliseconds(250);
  Duration max_poll_frequency = std::chrono::milliseconds(250);

  static component::Schema<FileWatchArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct FileMatchArgs {
  bool enabled = false;
  Duration sync_period = std::chrono::seconds(10);
  Duration ignore_older_than{};

  static component::Schema<FileMatchArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct FileArgs {
  std::vector<model::Target> targets;
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::string encoding;
  bool tail_from_end = false;
  std::string legacy_positions_file;
  std::string on_positions_file_error = "restart_from_beginning";
  std::optional<DecompressionArgs> decompression;
  FileWatchArgs file_watch;
  FileMatchArgs file_match;

  static component::Schema<FileArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

}  // namespace agent::source
