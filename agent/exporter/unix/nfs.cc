// NFS: /proc/net/rpc/nfs of the client and /proc/net/rpc/nfsd of the server, lines of a word and
// numbers. proc2, proc3, proc4 and proc4ops have how many there are, then one for each procedure in
// the order of its number (net/sunrpc/stats.c, fs/nfsd/stats.c). A line that this kernel does not
// have is told as zeros, as node_exporter does.
#include <array>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

// By the first word; none for a line that has anything but numbers.
using Lines = std::map<std::string, std::optional<std::vector<double>>, std::less<>>;

Lines parse_lines(std::string_view text) {
  Lines out;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2) return;
    std::optional<std::vector<double>> values = std::vector<double>();
    for (std::size_t i = 1; i < fields.size() && values; ++i) {
      if (const auto value = number(fields[i])) {
        values->push_back(*value);
      } else {
        values.reset();
      }
    }
    out.insert_or_assign(std::string(fields[0]), std::move(values));
  });
  return out;
}

std::optional<double> value_at(const Lines& lines, std::string_view line, std::size_t i) {
  const auto found = lines.find(line);
  if (found == lines.end()) return 0;
  if (!found->second) return std::nullopt;
  return i < found->second->size() ? (*found->second)[i] : 0;
}

struct Series {
  const char* line;
  std::size_t at;
  const char* name;
  const char* help;
  bool counter = true;
  const char* label = "";
  const char* value = "";
};

void add_series(const Lines& lines, std::span<const Series> all, Families& out) {
  for (const Series& one : all) {
    const auto value = value_at(lines, one.line, one.at);
    if (!value) continue;
    if (one.counter) {
      out.counter(one.name, one.help, *value, {{one.label, one.value}});
    } else {
      out.gauge(one.name, one.help, *value, {{one.label, one.value}});
    }
  }
}

// `methods` are those of the numbers behind the first, which is how many there are; nullptr: not
// told.
void add_requests(const Lines& lines, const char* line, const char* family, const char* version,
                  std::span<const char* const> methods, Families& out) {
  for (std::size_t i = 0; i < methods.size(); ++i)
    if (const auto value = methods[i] == nullptr ? std::nullopt : value_at(lines, line, i + 1))
      out.counter(family, "NFS procedures called.", *value,
                  {{"proto", version}, {"method", methods[i]}});
}

constexpr std::array<const char*, 18> kV2 = {
    "Null",   "GetAttr", "SetAttr", "Root", "Lookup",  "ReadLink", "Read",  "WrCache", "Write",
    "Create", "Remove",  "Rename",  "Link", "SymLink", "MkDir",    "RmDir", "ReadDir", "FsStat"};
constexpr std::array<const char*, 22> kV3 = {
    "Null",    "GetAttr",     "SetAttr", "Lookup", "Access",   "ReadLink", "Read",   "Write",
    "Create",  "MkDir",       "SymLink", "MkNod",  "Remove",   "RmDir",    "Rename", "Link",
    "ReadDir", "ReadDirPlus", "FsStat",  "FsInfo", "PathConf", "Commit"};
constexpr std::array<const char*, 59> kClientV4 = {"Null",
                                                   "Read",
                                                   "Write",
                                                   "Commit",
                                                   "Open",
                                                   "OpenConfirm",
                                                   "OpenNoattr",
                                                   "OpenDowngrade",
                                                   "Close",
                                                   "Setattr",
                                                   "FsInfo",
                                                   "Renew",
                                                   "SetClientID",
                                                   "SetClientIDConfirm",
                                                   "Lock",
                                                   "Lockt",
                                                   "Locku",
                                                   "Access",
                                                   "Getattr",
                                                   "Lookup",
                                                   "LookupRoot",
                                                   "Remove",
                                                   "Rename",
                                                   "Link",
                                                   "Symlink",
                                                   "Create",
                                                   "Pathconf",
                                                   "StatFs",
                                                   "ReadLink",
                                                   "ReadDir",
                                                   "ServerCaps",
                                                   "DelegReturn",
                                                   "GetACL",
                                                   "SetACL",
                                                   "FsLocations",
                                                   "ReleaseLockowner",
                                                   "Secinfo",
                                                   "FsidPresent",
                                                   "ExchangeID",
                                                   "CreateSession",
                                                   "DestroySession",
                                                   "Sequence",
                                                   "GetLeaseTime",
                                                   "ReclaimComplete",
                                                   "LayoutGet",
                                                   "GetDeviceInfo",
                                                   "LayoutCommit",
                                                   "LayoutReturn",
                                                   "SecinfoNoName",
                                                   "TestStateID",
                                                   "FreeStateID",
                                                   "GetDeviceList",
                                                   "BindConnToSession",
                                                   "DestroyClientID",
                                                   "Seek",
                                                   "Allocate",
                                                   "DeAllocate",
                                                   "LayoutStats",
                                                   "Clone"};
// Operations of RFC 7530; the first three mean nothing.
constexpr std::array<const char*, 40> kServerV4 = {
    nullptr,  nullptr,      nullptr,       "Access",      "Close",      "Commit",
    "Create", "DelegPurge", "DelegReturn", "GetAttr",     "GetFH",      "Link",
    "Lock",   "Lockt",      "Locku",       "Lookup",      "LookupRoot", "Nverify",
    "Open",   "OpenAttr",   "OpenConfirm", "OpenDgrd",    "PutFH",      nullptr,
    nullptr,  "Read",       "ReadDir",     "ReadLink",    "Remove",     "Rename",
    "Renew",  "RestoreFH",  "SaveFH",      "SecInfo",     "SetAttr",    nullptr,
    nullptr,  "Verify",     "Write",       "RelLockOwner"};

constexpr const char* kPackets = "Packets on the network.";

}  // namespace

Result<> parse_nfs(std::string_view text, Families& out) {
  static constexpr std::array<Series, 6> kSeries = {{
      {"net", 1, "node_nfs_packets_total", kPackets, true, "protocol", "udp"},
      {"net", 2, "node_nfs_packets_total", kPackets, true, "protocol", "tcp"},
      {"net", 3, "node_nfs_connections_total", "TCP connections."},
      {"rpc", 0, "node_nfs_rpcs_total", "Remote procedure calls."},
      {"rpc", 1, "node_nfs_rpc_retransmissions_total", "Calls that were sent again."},
      {"rpc", 2, "node_nfs_rpc_authentication_refreshes_total", "Times credentials were renewed."},
  }};
  const Lines lines = parse_lines(text);
  if (lines.empty()) return fail(ErrorCode::kInvalid, "nfs: no line is understood");
  add_series(lines, kSeries, out);
  add_requests(lines, "proc2", "node_nfs_requests_total", "2", kV2, out);
  add_requests(lines, "proc3", "node_nfs_requests_total", "3", kV3, out);
  add_requests(lines, "proc4", "node_nfs_requests_total", "4", kClientV4, out);
  return {};
}

Result<> parse_nfsd(std::string_view text, Families& out) {
  static constexpr std::array<Series, 16> kSeries = {{
      {"rc", 0, "node_nfsd_reply_cache_hits_total", "Answers that the client had lost."},
      {"rc", 1, "node_nfsd_reply_cache_misses_total", "Calls whose answer was to be kept."},
      {"rc", 2, "node_nfsd_reply_cache_nocache_total", "Calls whose answer was not to be kept."},
      {"fh", 0, "node_nfsd_file_handles_stale_total", "Stale file handles."},
      {"io", 0, "node_nfsd_disk_bytes_read_total", "Bytes read."},
      {"io", 1, "node_nfsd_disk_bytes_written_total", "Bytes written."},
      {"th", 0, "node_nfsd_server_threads", "Threads of the kernel's server.", false},
      {"ra", 0, "node_nfsd_read_ahead_cache_size_blocks", "Size of the read-ahead cache.", false},
      {"ra", 11, "node_nfsd_read_ahead_cache_not_found_total", "Misses of the read-ahead cache."},
      {"net", 1, "node_nfsd_packets_total", kPackets, true, "proto", "udp"},
      {"net", 2, "node_nfsd_packets_total", kPackets, true, "proto", "tcp"},
      {"net", 3, "node_nfsd_connections_total", "TCP connections."},
      {"rpc", 0, "node_nfsd_server_rpcs_total", "Remote procedure calls."},
      {"rpc", 2, "node_nfsd_rpc_errors_total", "Calls with an error.", true, "error", "fmt"},
      {"rpc", 3, "node_nfsd_rpc_errors_total", "Calls with an error.", true, "error", "auth"},
      {"rpc", 4, "node_nfsd_rpc_errors_total", "Calls with an error.", true, "error", "cInt"},
  }};
  const Lines lines = parse_lines(text);
  if (lines.empty()) return fail(ErrorCode::kInvalid, "nfsd: no line is understood");
  add_series(lines, kSeries, out);
  // Of the null procedure nothing is told.
  auto v2 = kV2;
  auto v3 = kV3;
  v2[0] = v3[0] = nullptr;
  constexpr const char* kRequests = "node_nfsd_requests_total";
  add_requests(lines, "proc2", kRequests, "2", v2, out);
  add_requests(lines, "proc3", kRequests, "3", v3, out);
  add_requests(lines, "proc4ops", kRequests, "4", kServerV4, out);
  if (lines.contains("wdeleg_getattr"))  // since Linux 6.6
    if (const auto value = value_at(lines, "wdeleg_getattr", 0))
      out.counter(kRequests, "NFS procedures called.", *value,
                  {{"proto", "4"}, {"method", "WdelegGetattr"}});
  return {};
}

Result<Collect> make_nfs(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "net/rpc/nfs", parse_nfs));
}
Result<Collect> make_nfsd(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "net/rpc/nfsd", parse_nfsd));
}

}  // namespace agent::exporter::unix_host
