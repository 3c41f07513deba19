// The time of a test.
#pragma once

#include "agent/base/hand_clock.h"

namespace agent {

using FakeClock = HandClock;

}  // namespace agent
