#include "agent/install/generations.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "agent/base/file.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

const SavedFile* config_of(const Generation& generation) {
  for (const SavedFile& file : generation.files) {
    if (file.path == kConfigFile && file.present) return &file;
  }
  return nullptr;
}

std::string names_of(const std::vector<Kept>& kept) {
  std::string out;
  for (const Kept& one : kept)
    out += (out.empty() ? "" : ", ") + std::to_string(one.origin.generation);
  return out.empty() ? "none is" : out + (kept.size() == 1 ? " is" : " are");
}

}  // namespace

// The state that change N found can have been saved more than once: by N, which was taken back, and
// by the change after it. The newest is the one that was there last.
std::vector<Kept> kept_generations(const System& system, const Books& books) {
  std::vector<Kept> kept;
  const auto applied = books.applied();
  const unsigned present = applied ? applied->origin.generation : 0;
  for (const unsigned number : books.generations()) {
    const auto generation = books.read_generation(number);
    if (!generation || generation->release.empty()) continue;
    const unsigned name = generation->origin.generation;
    const bool known = std::any_of(kept.begin(), kept.end(),
                                   [&](const Kept& k) { return k.origin.generation == name; });
    if (name == 0 || name == present || known) continue;
    Kept one{generation->origin, number, generation->release, {}, false};
    if (const SavedFile* config = config_of(*generation))
      one.config_sha256 = sha256_hex(config->bytes);
    std::error_code ignored;
    one.release_present =
        valid_release(one.release) &&
        std::filesystem::exists(
            system.at(std::string(kReleases) + "/" + one.release + "/bin/fleet-agent"), ignored);
    kept.push_back(std::move(one));
  }
  return kept;
}

Result<> find_generation(System& system, Bundle& bundle) {
  if (!bundle.back_to) return {};
  const auto no = [](std::string why) { return fail(ErrorCode::kNotFound, std::move(why)); };
  const Books books(system);
  const auto applied = books.applied();
  if (!applied) return no("no deploy has ended well on this host: there is nothing to go back to");
  if (const auto underway = books.underway()) {
    return no("the deploy " + underway->run + " of " + underway->who +
              " was interrupted: deploy again, which finishes it or takes it back");
  }
  if (*bundle.back_to == applied->origin.generation)
    return no("generation " + std::to_string(*bundle.back_to) + " is the present one");
  const auto kept = kept_generations(system, books);
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const Kept& one) {
    return *bundle.back_to == 0 ? one.folder == applied->origin.generation
                                : one.origin.generation == *bundle.back_to;
  });
  if (found == kept.end()) {
    return no(*bundle.back_to == 0
                  ? "there is no agent before generation " +
                        std::to_string(applied->origin.generation) + " to go back to"
                  : "generation " + std::to_string(*bundle.back_to) + " is not kept, " +
                        names_of(kept));
  }
  if (!found->release_present) {
    return no("the release " + found->release + " of generation " +
              std::to_string(found->origin.generation) + " is not on this host any more");
  }
  auto generation = books.read_generation(found->folder);
  if (!generation) return fail(generation.error());
  bundle.back_to = found->origin.generation;
  bundle.release = generation->release;
  for (SavedFile& file : generation->files) {
    if (!file.present) continue;
    std::string sha256 = sha256_hex(file.bytes);
    bundle.files.push_back({file.path, file.mode, std::move(file.bytes), std::move(sha256)});
  }
  return {};
}

}  // namespace agent::install
