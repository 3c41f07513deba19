// Facts of a host under the names that Ansible's setup module gives them, told by a script of POSIX
// sh. Not all of that module's: what configurations are written from.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::plan {

// What to send to `sh -s`; `nonce` begins each line of the answer that counts.
std::string host_facts_script(std::string_view nonce);
// From its output: {"architecture": ..., "default_ipv4": {...}, ...}. Lines without the nonce go
// by. An error when the answer has no end.
agent::Result<value::Dict> read_host_facts(std::string_view output, std::string_view nonce);
// Whether `variable` is ansible_facts, or ansible_<fact> of a fact that the script may tell.
bool is_fact_variable(std::string_view variable);

}  // namespace fleetctl::plan
