// A component that gathers what it sends: for a while in which more may come.
#pragma once

namespace agent::component {

class Delivers {
 public:
  virtual ~Delivers() = default;
  // What comes next is waited for, by whoever changed the configuration: it goes out soon, not
  // after the longest time that it may be gathered for. Called after each change of the
  // configuration, also one that left this component as it is. Any thread; never blocks, so that a
  // component that hangs holds nobody up.
  virtual void deliver_soon() = 0;
};

}  // namespace agent::component
