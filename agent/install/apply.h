// `fleet-agent apply`: the part of a deploy that runs on the host.
#pragma once

#include <string>
#include <vector>

namespace agent::install {

// Reads one bundle (bundle.cc) from standard input, makes the host what it says (transaction.h) and
// reports on standard output, one JSON object per line: {"step": "..."} as it goes, the report
// last. `arguments` are those after the subcommand:
//   --lock-fd N    the caller holds the host's lock on this descriptor (the bootstrap does)
//   --frame TEXT   what each line of output begins with
// Runs as root. From its start it ignores SIGHUP, SIGINT, SIGTERM and SIGPIPE: when the connection
// that started it breaks, the change is finished or taken back all the same, and
// /var/lib/fleetctl/result.json tells how it went. Exit status: 0 unchanged or changed, 1 refused,
// 6 rolled back, 7 broken, 64 usage, 75 somebody else holds the lock.
int apply_main(const std::vector<std::string>& arguments);

}  // namespace agent::install
