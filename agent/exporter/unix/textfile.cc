// Files *.prom of a folder, in the text exposition format, written by others.
#include <sys/stat.h>

#include <algorithm>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/model/sample.h"
#include "agent/wire/exposition_families.h"

namespace agent::exporter::unix_host {

Result<Collect> make_textfile(const UnixArgs& args, const Roots&, Clock&) {
  return Collect([folder = args.textfile.directory](Families& out) -> Result<> {
    bool failed = false;
    std::vector<std::filesystem::path> files;
    if (!folder.empty()) {
      std::error_code error;
      for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
           it.increment(error))
        if (it->path().extension() == ".prom") files.push_back(it->path());
      failed = static_cast<bool>(error);
      std::sort(files.begin(), files.end());
    }
    for (const std::filesystem::path& file : files) {
      const auto text = read_text(file);
      auto families = text ? wire::read_families(*text)
                           : Result<std::vector<model::MetricFamily>>(fail(text.error()));
      struct stat info {};
      const bool times =
          families && std::any_of(families->begin(), families->end(), [](auto& one) {
            return std::any_of(one.points.begin(), one.points.end(),
                               [](auto& point) { return point.time_ms.has_value(); });
          });
      // As node_exporter: a time in a file would make old numbers look fresh.
      if (!families || times || ::stat(file.c_str(), &info) != 0) {
        failed = true;
        continue;
      }
      out.add_families(std::move(*families));
      out.gauge("node_textfile_mtime_seconds", "When a file was changed last.",
                static_cast<double>(info.st_mtim.tv_sec) +
                    static_cast<double>(info.st_mtim.tv_nsec) / 1e9,
                {{"file", file.string()}});
    }
    out.gauge("node_textfile_scrape_error", "1 when a file could not be read.", failed ? 1 : 0);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
