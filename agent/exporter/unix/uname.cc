// uname(2).
#include <sys/utsname.h>

#include <cerrno>

#include "agent/exporter/unix/parsers.h"

namespace agent::exporter::unix_host {

Result<Collect> make_uname(const UnixArgs&, const Roots&, Clock&) {
  return Collect([](Families& out) -> Result<> {
    utsname name{};
    if (::uname(&name) != 0) return fail_errno("uname", errno);
    out.gauge("node_uname_info", "The kernel's own name; the value is 1.", 1,
              {{"sysname", name.sysname},
               {"release", name.release},
               {"version", name.version},
               {"machine", name.machine},
               {"nodename", name.nodename},
               {"domainname", name.domainname}});
    return {};
  });
}

}  // namespace agent::exporter::unix_host
