// SimFiber: a piece of blocking code on a stack of its own, in the one thread of the simulation.
//
// Stacks are recycled. AddressSanitizer and ThreadSanitizer are told about every switch. A fiber
// must have ended before it is destroyed: whoever kills a process makes its pending calls return
// and runs its fibers to their ends.
#pragma once

#include <functional>
#include <memory>

namespace semper::sim {

class SimFiber {
 public:
  explicit SimFiber(std::function<void()> body);
  ~SimFiber();
  SimFiber(const SimFiber&) = delete;
  SimFiber& operator=(const SimFiber&) = delete;

  // Runs the body until its next Suspend or its end. Not from inside a fiber.
  void Resume();
  bool ended() const;

  // The fiber that is running; nullptr on the main stack.
  static SimFiber* Current();
  // Back to who called Resume; returns at the next Resume. Only on a fiber.
  static void Suspend();

 private:
  struct State;
  static void Enter();
  std::unique_ptr<State> state_;
};

}  // namespace semper::sim
