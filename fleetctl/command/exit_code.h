// What fleetctl's exit status means. Scripts depend on these numbers.
#pragma once

namespace fleetctl::command {

enum class ExitCode : int {
  kDone = 0,             // done, or nothing to do
  kRefused = 1,          // stopped before any host was touched: inventory, vault, template, check
  kDiffers = 2,          // only when asked for (--exit-code): there are changes
  kHostFailed = 3,       // some host failed
  kUnreachable = 4,      // some hosts could not be reached, the others are fine
  kTooManyFailures = 5,  // stopped by --max-failures
  kRolledBack = 6,       // a host was put back
  kUsage = 64,           // the command line is wrong
  kBug = 70,             //
  kOutputLost = 74,      // all is done, but standard output did not take what was to be said
  kLocked = 75,          // somebody else is at work on a host
  kInterrupted = 130,    //
};

// What ansible-playbook's exit status would be. It has none for "there are changes": 0.
constexpr int ansible_status(ExitCode code) {
  switch (code) {
    case ExitCode::kDone:
    case ExitCode::kDiffers:
      return 0;
    case ExitCode::kHostFailed:
    case ExitCode::kTooManyFailures:
    case ExitCode::kRolledBack:
    case ExitCode::kLocked:
      return 2;
    case ExitCode::kUnreachable:
      return 4;
    case ExitCode::kUsage:
      return 5;
    case ExitCode::kInterrupted:
      return 99;
    case ExitCode::kRefused:
    case ExitCode::kBug:
    case ExitCode::kOutputLost:
      return 1;
  }
  return 1;
}

}  // namespace fleetctl::command
