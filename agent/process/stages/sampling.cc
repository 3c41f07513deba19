// stage.sampling: lets a share of the entries through, by chance.
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct SamplingArgs {
  double rate = 0;
  std::string drop_counter_reason = "sampling_stage";
  static component::Schema<SamplingArgs> schema() {
    return component::Schema<SamplingArgs>()
        .required("rate", &SamplingArgs::rate, "Share of the entries that go on, from 0 to 1.")
        .optional("drop_counter_reason", &SamplingArgs::drop_counter_reason,
                  "Reason under which dropped lines are counted.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (!(rate >= 0 && rate <= 1))
      diagnostics.error(body.span_of("rate"), "rate must be from 0 to 1");
  }
};

class Sampling final : public Stage {
 public:
  using Arguments = SamplingArgs;
  // The clock is the seed: another sequence on every start, the same in every test.
  Sampling(const Arguments& args, const StageHost& host)
      : rate_(args.rate),
        dropped_(host.dropped(args.drop_counter_reason)),
        state_(static_cast<std::uint64_t>(host.clock.wall_ns())) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      if (random() < rate_) continue;
      item.dropped = true;
      dropped_->increment();
    }
  }

 private:
  // SplitMix64; at least 0, less than 1.
  double random() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

  const double rate_;
  component::Counter dropped_;
  std::uint64_t state_;
};

}  // namespace

StageDeclaration stage_sampling() {
  return declare_stage<Sampling>("sampling", "Lets a share of the entries through.");
}

}  // namespace agent::process
