#include "tests/support/component_box.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "agent/component/decode.h"

namespace agent {

ComponentBox::ComponentBox(std::string id) : clock_(real_), id_(std::move(id)), health(clock_) {}

ComponentBox::ComponentBox(std::string id, Clock& clock)
    : clock_(clock), id_(std::move(id)), health(clock_) {}

component::Host ComponentBox::host() {
  const auto sink = [this](std::string_view line) {
    MutexLock lock(mutex_);
    log_ += line;
  };
  const auto publish = [this](component::Exports exports) {
    MutexLock lock(mutex_);
    exports_.clear();
    for (auto& [name, value] : exports) exports_[name] = std::move(value);
    ++publications_;
    changed_.notify_all();
  };
  return component::Host{
      id_,        labels, clock_,   Log(clock_, sink), metrics.with({{"component_id", id_}}),
      collectors, health, data_dir, publish,           taps.of(id_)};
}

ComponentBox::Published ComponentBox::exports() const {
  MutexLock lock(mutex_);
  return exports_;
}

lang::Value ComponentBox::exported(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto it = exports_.find(name);
  return it == exports_.end() ? lang::Value() : it->second;
}

std::shared_ptr<component::LogReceiver> ComponentBox::receiver() const {
  return std::static_pointer_cast<component::LogReceiver>(exported("receiver").capsule().object);
}

std::shared_ptr<component::MetricsReceiver> ComponentBox::metrics_receiver() const {
  return std::static_pointer_cast<component::MetricsReceiver>(
      exported("receiver").capsule().object);
}

std::size_t ComponentBox::publications() const {
  MutexLock lock(mutex_);
  return publications_;
}

bool ComponentBox::wait_exports(const std::function<bool(const Published&)>& enough,
                                std::chrono::milliseconds limit) const {
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, limit,
                           [&]() NO_THREAD_SAFETY_ANALYSIS { return enough(exports_); });
}

bool ComponentBox::wait_publications(std::size_t count) const {
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::minutes(1),
                           [&]() NO_THREAD_SAFETY_ANALYSIS { return publications_ >= count; });
}

std::vector<double> ComponentBox::values(std::string_view name, const model::Labels& wanted) const {
  std::vector<double> out;
  for (const model::MetricFamily& family : metrics.collect()) {
    if (family.name != name) continue;
    for (const auto& point : family.points) {
      const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const model::Label& label) {
        return std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
      });
      if (fits) out.push_back(point.value);
    }
  }
  return out;
}

std::size_t ComponentBox::series(std::string_view name, const model::Labels& wanted) const {
  return values(name, wanted).size();
}

double ComponentBox::metric(std::string_view name, const model::Labels& wanted) const {
  const std::vector<double> all = values(name, wanted);
  return std::accumulate(all.begin(), all.end(), 0.0);
}

std::string ComponentBox::logged() const {
  MutexLock lock(mutex_);
  return log_;
}

RunningComponent::RunningComponent(ComponentBox& box, const component::Declaration& declaration)
    : component_(declaration.make(box.host())) {}

std::string RunningComponent::configure(const lang::Body& body) {
  lang::Diagnostics diagnostics;
  auto commit = component_->prepare(body, diagnostics);
  refused_ = !commit;
  if (commit) {
    (*commit)();
  } else if (diagnostics.empty()) {
    return commit.error().message;
  }
  std::string out;
  for (const lang::Diagnostic& one : diagnostics.all())
    out += (out.empty() ? "" : "\n") + one.message;
  return out;
}

void RunningComponent::start() {
  auto* worker = dynamic_cast<component::Worker*>(component_.get());
  if (worker == nullptr) std::abort();
  ended_ = false;
  thread_ = std::jthread([this, worker](const std::stop_token& stop) {
    do {  // run() is called even if the stop came first
      if (worker->run(stop)) continue;
      ++failed_runs_;
      std::this_thread::yield();
    } while (!stop.stop_requested());
    ended_ = true;
  });
}

void RunningComponent::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void RunningComponent::shut_down() {
  stop();
  component_->flush();
}

std::string RunningComponent::debug(std::string_view name) const {
  for (const auto& [key, value] : debug_rows()) {
    if (key == name) return value;
  }
  return "";
}

std::vector<std::pair<std::string, std::string>> RunningComponent::debug_rows() const {
  component::DebugWriter out;
  component_->debug_info(out);
  return {out.rows().begin(), out.rows().end()};
}

lang::Attribute attribute(std::string name, lang::Value value) {
  return {std::move(name), std::move(value), {}, {}};
}

lang::Attribute forward_to(std::shared_ptr<component::LogReceiver> receiver) {
  return attribute("forward_to", receivers(std::move(receiver)));
}

lang::Block block(std::string name, std::vector<lang::Attribute> attributes,
                  std::vector<lang::Block> blocks) {
  lang::Block out;
  out.name = std::move(name);
  out.body.attributes = std::move(attributes);
  out.body.blocks = std::move(blocks);
  return out;
}

lang::Body body_of(std::vector<std::pair<std::string, lang::Value>> attributes,
                   std::vector<std::pair<std::string, lang::Body>> blocks) {
  lang::Body body;
  for (auto& [name, value] : attributes)
    body.attributes.push_back(attribute(std::move(name), std::move(value)));
  for (auto& [name, inner] : blocks)
    body.blocks.push_back({std::move(name), "", std::move(inner), {}});
  return body;
}

lang::Value receivers(std::shared_ptr<component::LogReceiver> receiver) {
  return lang::Value::List{component::capsule(std::move(receiver))};
}

lang::Value receivers(std::shared_ptr<component::MetricsReceiver> receiver) {
  return lang::Value::List{component::capsule(std::move(receiver))};
}

lang::Value string_list(const std::vector<std::string>& items) {
  return lang::Value::List(items.begin(), items.end());
}

}  // namespace agent
