// /proc/interrupts: a word of head for each CPU; then "name: a count for each CPU, what it is";
// behind the counts of a number stand the controller and the devices (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_interrupts(std::string_view text, Families& out) {
  const std::size_t head = text.find('\n');
  const std::size_t cpus = words(text.substr(0, head)).size();
  if (cpus == 0 || head == std::string_view::npos)
    return fail(ErrorCode::kInvalid, "interrupts: no CPUs");
  for_each_line(text.substr(head + 1), [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string type(trim(line.substr(0, colon)));
    const auto fields = words(line.substr(colon + 1));
    if (fields.size() <= cpus) return;  // ERR and MIS are one number for all
    const auto joined = [&](std::size_t from) {
      std::string all;
      for (std::size_t i = from; i < fields.size(); ++i)
        all.append(all.empty() ? "" : " ").append(fields[i]);
      return all;
    };
    const bool numbered =
        !type.empty() && type.find_first_not_of("0123456789") == std::string::npos;
    const std::string info = numbered ? std::string(fields[cpus]) : joined(cpus);
    const std::string devices = numbered ? joined(cpus + 1) : std::string();
    for (std::size_t cpu = 0; cpu < cpus; ++cpu)
      if (const auto value = number(fields[cpu]))
        out.counter(
            "node_interrupts_total", "Interrupts served.", *value,
            {{"cpu", std::to_string(cpu)}, {"type", type}, {"info", info}, {"devices", devices}});
  });
  return {};
}

Result<Collect> make_interrupts(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "interrupts", parse_interrupts));
}

}  // namespace agent::exporter::unix_host
