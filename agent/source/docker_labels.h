// What the entries of one container carry. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "agent/model/labels.h"
#include "agent/model/relabel.h"
#include "agent/wire/docker_api.h"

namespace agent::source {

struct DockerEntryLabels {
  struct Stream {
    model::LabelSet labels;
    model::LabelSet context;  // of each entry (agent/model/entry.h)
    bool operator==(const Stream&) const = default;
  };
  // stdout and stderr; none: the rules drop that stream.
  std::array<std::optional<Stream>, 2> streams;
};

// The target's labels under `own`, through the rules with __meta_docker_container_log_stream set;
// labels that begin with __ go. `rules` may be null.
DockerEntryLabels docker_entry_labels(const model::Target& target, const model::Labels& own,
                                      const model::RelabelRules* rules, model::Interner& interner);

// The same as text, so that what a dead container left can be read after a restart of the agent:
// netstrings ("3:abc"), for each stream the number of labels ("-" when it is dropped), their names
// and values, and the same of its context.
std::string print_entry_labels(const DockerEntryLabels& labels);
std::optional<DockerEntryLabels> parse_entry_labels(std::string_view text,
                                                    model::Interner& interner);

// For a source without targets: what Docker says of the container as a target, and for the stages
// as context container_name, container_id, container_label_<name> and stream.
model::Target docker_own_target(const wire::DockerContainer& container);
void add_docker_context(const wire::DockerContainer& container, model::Interner& interner,
                        DockerEntryLabels& out);

}  // namespace agent::source
