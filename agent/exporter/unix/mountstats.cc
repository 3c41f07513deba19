// /proc/self/mountstats: "device server:/export mounted on /mnt with fstype nfs4 statvers=1.1",
// then lines of counters and, behind "per-op statistics", a line for each operation (Linux,
// fs/nfs/super.c nfs_show_stats, net/sunrpc/stats.c, net/sunrpc/xprtsock.c). The address of the
// server stands in /proc/self/mountinfo, whose lines are in the same order.
#include <array>
#include <set>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Name {
  const char* name;
  const char* help;
};

constexpr std::array<Name, 8> kBytes = {{
    {"read_bytes_total", "Bytes read with read(2)."},
    {"write_bytes_total", "Bytes written with write(2)."},
    {"direct_read_bytes_total", "Bytes read with O_DIRECT."},
    {"direct_write_bytes_total", "Bytes written with O_DIRECT."},
    {"total_read_bytes_total", "Bytes read from the server."},
    {"total_write_bytes_total", "Bytes written to the server."},
    {"read_pages_total", "Pages read."},
    {"write_pages_total", "Pages written."},
}};

constexpr std::array<const char*, 27> kEvents = {
    "inode_revalidate", "dnode_revalidate", "data_invalidate", "attribute_invalidate",
    "vfs_open",         "vfs_lookup",       "vfs_access",      "vfs_update_page",
    "vfs_read_page",    "vfs_read_pages",   "vfs_write_page",  "vfs_write_pages",
    "vfs_getdents",     "vfs_setattr",      "vfs_flush",       "vfs_fsync",
    "vfs_lock",         "vfs_file_release", nullptr,           "truncation",
    "write_extension",  "silly_rename",     "short_read",      "short_write",
    "jukebox_delay",    "pnfs_read",        "pnfs_write"};

struct Operation {
  const char* name;
  const char* help;
  double factor;
};
constexpr std::array<Operation, 8> kOperations = {{
    {"requests_total", "Requests of an operation.", 1},
    {"transmissions_total", "Times that requests of an operation were sent.", 1},
    {"major_timeouts_total", "Major timeouts of an operation.", 1},
    {"sent_bytes_total", "Bytes sent for an operation.", 1},
    {"received_bytes_total", "Bytes received for an operation.", 1},
    {"queue_time_seconds_total", "Time that requests waited to be sent.", .001},
    {"response_time_seconds_total", "Time from sending to the answer.", .001},
    {"request_time_seconds_total", "Time of requests from beginning to end.", .001},
}};

// In the order of a TCP transport's numbers; those without a name are not told. Of several
// connections (nconnect) counters are summed, of the others the largest is told.
struct Transport {
  const char* name;
  bool counter;
};
constexpr std::array<Transport, 13> kTransport = {{
    {nullptr, false},  // port
    {"bind_total", true},
    {"connect_total", true},
    {nullptr, false},  // time to connect
    {"idle_time_seconds", false},
    {"sends_total", true},
    {"receives_total", true},
    {"bad_transaction_ids_total", true},
    {nullptr, false},  // requests under way, summed
    {"backlog_queue_total", true},
    {"maximum_rpc_slots", false},
    {"sending_queue_total", true},
    {"pending_queue_total", true},
}};

using Numbers = std::vector<std::optional<double>>;

// One mount, as far as it is read.
struct NfsMount {
  std::string device, address;
  std::string protocol;  // known with the first transport
  std::optional<double> age;
  Numbers bytes, events, transport;
  bool operations = false;  // the lines of operations have begun
  bool tell = false;        // no other mount told of the same export, protocol and server
};

// The text of option addr= of the file systems of mountinfo, in order.
std::vector<std::string> addresses(std::string_view mountinfo) {
  std::vector<std::string> out;
  for_each_line(mountinfo, [&](std::string_view line) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) return;
    std::string address;
    const auto fields = words(line.substr(dash + 3));
    if (fields.size() >= 3)
      for (const std::string_view option : split(fields[2], ','))
        if (option.starts_with("addr=")) address = option.substr(5);
    out.push_back(std::move(address));
  });
  return out;
}

class Reader {
 public:
  Reader(std::vector<std::string> addresses, Families& out)
      : addresses_(std::move(addresses)), out_(out) {}

  void line(std::string_view text) {
    const Words fields = words(text);
    if (fields.empty()) return;
    if (fields[0] == "device") return begin(fields);
    if (!mount_) return;
    if (fields[0] == "per-op") {
      tell_mount();
    } else if (mount_->operations) {
      operation(fields);
    } else if (fields[0] == "age:" && fields.size() == 2) {
      mount_->age = number(fields[1]);
    } else if (fields[0] == "bytes:") {
      mount_->bytes = numbers(fields, 1);
    } else if (fields[0] == "events:") {
      mount_->events = numbers(fields, 1);
    } else if (fields[0] == "xprt:" && fields.size() > 2) {
      transport(fields);
    }
  }

 private:
  using Words = std::vector<std::string_view>;

  static Numbers numbers(const Words& fields, std::size_t from) {
    Numbers out;
    for (std::size_t i = from; i < fields.size(); ++i) out.push_back(number(fields[i]));
    return out;
  }

  void begin(const Words& fields) {
    const std::size_t index = index_++;
    mount_.reset();
    if (fields.size() <= 8 || fields[2] != "mounted" || fields[6] != "fstype" ||
        (fields[7] != "nfs" && fields[7] != "nfs4"))
      return;
    mount_.emplace();
    mount_->device = fields[1];
    if (index < addresses_.size()) mount_->address = addresses_[index];
  }

  void transport(const Words& fields) {
    Numbers values = numbers(fields, 2);
    // Without a connection there are no numbers of it; RDMA has others behind the first ten.
    if (fields[1] == "udp" && values.size() >= 2) values.insert(values.begin() + 2, 3, 0.0);
    if (fields[1] == "rdma" && values.size() > 10) values.resize(10);
    values.resize(kTransport.size(), 0.0);
    if (mount_->transport.empty()) {
      mount_->protocol = fields[1];
      mount_->transport = std::move(values);
      return;
    }
    for (std::size_t i = 0; i < kTransport.size(); ++i) {
      std::optional<double>& sum = mount_->transport[i];
      if (sum && values[i])
        sum = kTransport[i].counter ? *sum + *values[i] : std::max(*sum, *values[i]);
    }
  }

  void add(bool counter, const std::string& name, const char* help, std::optional<double> value,
           std::string_view operation = {}) {
    if (!value) return;
    out_.add(counter ? model::MetricType::kCounter : model::MetricType::kGauge,
             "node_mountstats_nfs_" + name, help, *value,
             {{"export", mount_->device},
              {"protocol", mount_->protocol},
              {"mountaddr", mount_->address},
              {"operation", std::string(operation)}});
  }

  void tell_mount() {
    mount_->operations = true;
    mount_->tell = !mount_->transport.empty() &&
                   seen_.insert({mount_->device, mount_->protocol, mount_->address}).second;
    if (!mount_->tell) return;
    add(true, "age_seconds_total", "Seconds since it was mounted.", mount_->age);
    for (std::size_t i = 0; i < kBytes.size() && i < mount_->bytes.size(); ++i)
      add(true, kBytes[i].name, kBytes[i].help, mount_->bytes[i]);
    for (std::size_t i = 0; i < kEvents.size() && i < mount_->events.size(); ++i)
      if (kEvents[i] != nullptr)
        add(true, "event_" + std::string(kEvents[i]) + "_total", "Events of NFS.",
            mount_->events[i]);
    for (std::size_t i = 0; i < kTransport.size(); ++i)
      if (kTransport[i].name != nullptr)
        add(kTransport[i].counter, "transport_" + std::string(kTransport[i].name),
            "A number of the connections to the server.", mount_->transport[i]);
  }

  void operation(const Words& fields) {
    if (!mount_->tell || fields.size() < kOperations.size() + 1 || !fields[0].ends_with(':'))
      return;
    const std::string_view name = fields[0].substr(0, fields[0].size() - 1);
    for (std::size_t i = 0; i < kOperations.size(); ++i) {  // newer kernels have more
      const auto value = number(fields[i + 1]);
      if (value)
        add(true, "operations_" + std::string(kOperations[i].name), kOperations[i].help,
            *value * kOperations[i].factor, name);
    }
  }

  const std::vector<std::string> addresses_;
  Families& out_;
  std::size_t index_ = 0;  // of the next mount
  std::optional<NfsMount> mount_;
  std::set<std::vector<std::string>> seen_;
};

}  // namespace

void parse_mountstats(std::string_view mountstats, std::string_view mountinfo, Families& out) {
  Reader reader(addresses(mountinfo), out);
  for_each_line(mountstats, [&](std::string_view line) { reader.line(line); });
}

Result<Collect> make_mountstats(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "self"](Families& out) -> Result<> {
    const auto mountstats = read_text(folder / "mountstats");
    if (!mountstats) return fail(mountstats.error());
    const auto mountinfo = read_text(folder / "mountinfo");
    if (!mountinfo) return fail(mountinfo.error());
    parse_mountstats(*mountstats, *mountinfo, out);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
