#include "agent/trial/rehearsal.h"

#include <cstdlib>
#include <system_error>
#include <utility>

#include "agent/component/receiver.h"
#include "agent/lang/rendering.h"
#include "agent/runtime/check.h"
#include "agent/runtime/modules.h"

namespace agent::trial {

namespace fs = std::filesystem;

Rehearsal::Rehearsal(const component::Registry& real, std::unique_ptr<lang::World> world)
    : registry_(stand_ins(real, ends)), world_(std::move(world)) {
  std::string name = (fs::temp_directory_path() / "fleet-agent-test-XXXXXX").string();
  if (::mkdtemp(name.data()) != nullptr) folder_ = name;
}

Rehearsal::~Rehearsal() {
  runtime_.reset();
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

Result<bool> Rehearsal::load(std::vector<runtime::SourceText> texts, std::string& said) {
  if (folder_.empty()) return fail(ErrorCode::kIo, "no folder can be made for what is stored");
  const runtime::CheckReport checked =
      runtime::check(texts, registry_, *world_, {}, runtime::local_importer());
  said = lang::render(checked.diagnostics, checked.sources);
  if (!checked.ok()) return false;
  runtime_.reset();
  runtime_ = std::make_unique<runtime::Runtime>(runtime::Runtime::Environment{
      registry_, stdlib_, clock, labels, Log::none(), metrics, folder_, {}, taps});
  const runtime::LoadReport report = runtime_->load(std::move(texts));
  if (!report.ok())
    return fail(ErrorCode::kInvalid, lang::render(report.diagnostics, report.sources));
  return true;
}

std::optional<lang::Capsule> Rehearsal::receiver_of(const std::string& id) const {
  if (runtime_ == nullptr) return std::nullopt;
  for (const auto& status : runtime_->status()) {
    if (status.id != id) continue;
    for (const auto& [name, value] : status.exports)
      if (name == "receiver" && value.kind() == lang::Value::Kind::kCapsule) return value.capsule();
  }
  return std::nullopt;
}

Result<> Rehearsal::put(const std::string& id, model::EntryBatch batch) {
  const auto receiver = receiver_of(id);
  if (!receiver) return ends->put(id, std::move(batch), labels);
  if (receiver->type != component::CapsuleName<component::LogReceiver>::kName)
    return fail(ErrorCode::kInvalid, id + " takes no entries");
  std::stop_source now;
  now.request_stop();
  return std::static_pointer_cast<component::LogReceiver>(receiver->object)
      ->consume(std::move(batch), now.get_token());
}

void until_silent(const std::function<bool()>& take) {
  constexpr int kSilentLooks = 20;
  constexpr auto kLook = std::chrono::milliseconds(5);
  SystemClock real;
  for (int silent = 0; silent < kSilentLooks; ++silent) {
    real.sleep_for(kLook, {});
    if (take()) silent = 0;
  }
}

}  // namespace agent::trial
