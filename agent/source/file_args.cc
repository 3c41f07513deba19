#include "agent/source/file_args.h"

#include "agent/io/text_encoding.h"

namespace agent::source {

using component::Schema;

Schema<DecompressionArgs> DecompressionArgs::schema() {
  return Schema<DecompressionArgs>()
      .required("enabled", &DecompressionArgs::enabled, "Whether the files are compressed.")
      .required("format", &DecompressionArgs::format, "How: gz (gzip), z (zlib) or bz2 (bzip2).")
      .optional("initial_delay", &DecompressionArgs::initial_delay,
                "Time that a new file is left alone, for its writer to finish it.");
}

void DecompressionArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (!compression())
    diagnostics.error(body.span_of("format"), "unknown compression format \"" + format + "\"",
                      "the formats are gz, z and bz2");
}

std::optional<io::Compression> DecompressionArgs::compression() const {
  if (format == "gz") return io::Compression::kGzip;
  if (format == "z") return io::Compression::kZlib;
  if (format == "bz2") return io::Compression::kBzip2;
  return std::nullopt;
}

Schema<FileWatchArgs> FileWatchArgs::schema() {
  return Schema<FileWatchArgs>()
      .optional("min_poll_frequency", &FileWatchArgs::min_poll_frequency,
                "Shortest time between two looks at a file that the system does not report on.")
      .optional("max_poll_frequency", &FileWatchArgs::max_poll_frequency,
                "Longest time between two looks at such a file.");
}

void FileWatchArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (min_poll_frequency <= Duration::zero() || max_poll_frequency < min_poll_frequency)
    diagnostics.error(body.span_of("min_poll_frequency"),
                      "min_poll_frequency must be greater than 0s and at most "
                      "max_poll_frequency");
}

Schema<FileMatchArgs> FileMatchArgs::schema() {
  return Schema<FileMatchArgs>()
      .optional("enabled", &FileMatchArgs::enabled,
                "Whether __path__ of a target is a pattern of file names, as in "
                "local.file_match.")
      .optional("sync_period", &FileMatchArgs::sync_period,
                "Time between two looks at the folders.")
      .optional("ignore_older_than", &FileMatchArgs::ignore_older_than,
                "Files not modified for this long are left out. 0s: none are.");
}

void FileMatchArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (sync_period <= Duration::zero())
    diagnostics.error(body.span_of("sync_period"), "sync_period must be greater than 0s");
}

Schema<FileArgs> FileArgs::schema() {
  return Schema<FileArgs>()
      .required("targets", &FileArgs::targets,
                "Files to read: __path__ is the name, labels that do not start with __ become "
                "labels of the entries, together with filename.")
      .required("forward_to", &FileArgs::forward_to, "Receivers that get the entries.")
      .optional("encoding", &FileArgs::encoding,
                "What the files are written in, by its IANA name; UTF-8 when empty. A byte order "
                "mark at a file's beginning wins.")
      .optional("tail_from_end", &FileArgs::tail_from_end,
                "Start at the end of a file that has no stored position.")
      .optional("legacy_positions_file", &FileArgs::legacy_positions_file,
                "Positions file of another agent, for files without a position of our own.")
      .optional("on_positions_file_error", &FileArgs::on_positions_file_error,
                "What to do with files whose stored position was damaged: "
                "restart_from_beginning, restart_from_end, or skip them.")
      .block("decompression", &FileArgs::decompression, "Files that are compressed.")
      .block("file_watch", &FileArgs::file_watch,
             "How often to look at files that the system does not report on, such as those "
             "behind symbolic links. Others are read when they change.")
      .block("file_match", &FileArgs::file_match, "Patterns instead of names.");
}

void FileArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (io::find_encoding(encoding) == nullptr)
    diagnostics.error(body.span_of("encoding"), "unknown encoding \"" + encoding + "\"",
                      "such as utf-8, utf-16, iso-8859-1, windows-1252, shift_jis");
  if (on_positions_file_error != "restart_from_beginning" &&
      on_positions_file_error != "restart_from_end" && on_positions_file_error != "skip")
    diagnostics.error(body.span_of("on_positions_file_error"),
                      "unknown value \"" + on_positions_file_error + "\"",
                      "restart_from_beginning, restart_from_end or skip");
}

}  // namespace agent::source
