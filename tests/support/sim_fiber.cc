#include "tests/support/sim_fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEMPER_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEMPER_SIM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SEMPER_SIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEMPER_SIM_TSAN 1
#endif
#endif

#ifdef SEMPER_SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SEMPER_SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace semper::sim {
namespace {

// Sanitizers make frames several times larger. Memory is only taken where a stack is touched.
#if defined(SEMPER_SIM_ASAN) || defined(SEMPER_SIM_TSAN)
constexpr size_t kStackBytes = 1 << 20;
#else
constexpr size_t kStackBytes = 256 << 10;
#endif

// Stacks with a guard page below each; never given back while the process runs.
class StackPool {
 public:
  std::byte* Take() {
    if (!free_.empty()) {
      std::byte* stack = free_.back();
      free_.pop_back();
      return stack;
    }
    const size_t guard = static_cast<size_t>(getpagesize());
    void* memory = mmap(nullptr, guard + kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SEMPER_CHECK(memory != MAP_FAILED, "no memory for the stack of a fiber");
    SEMPER_CHECK(mprotect(memory, guard, PROT_NONE) == 0, "no guard page for a fiber");
    return static_cast<std::byte*>(memory) + guard;
  }

  void Return(std::byte* stack) {
#ifdef SEMPER_SIM_ASAN
    __asan_unpoison_memory_region(stack, kStackBytes);
#endif
    free_.push_back(stack);
  }

 private:
  std::vector<std::byte*> free_;
};

StackPool& Stacks() {
  static StackPool* const pool = new StackPool;
  return *pool;
}

SimFiber* g_current = nullptr;

}  // namespace

struct SimFiber::State {
  std::function<void()> body;
  std::byte* stack = nullptr;
  ucontext_t own;
  ucontext_t caller;
  bool ended = false;
  // What the sanitizers want to know.
  void* own_fake_stack = nullptr;
  void* caller_fake_stack = nullptr;
  const void* caller_bottom = nullptr;
  size_t caller_bytes = 0;
  void* own_tsan = nullptr;
  void* caller_tsan = nullptr;

  // Called on the fiber's stack, after each arrival on it.
  void Arrived() {
#ifdef SEMPER_SIM_ASAN
    __sanitizer_finish_switch_fiber(own_fake_stack, &caller_bottom, &caller_bytes);
#endif
  }

  // Called on the fiber's stack: back to the caller. `last`: never to return here.
  void Leave([[maybe_unused]] bool last) {
#ifdef SEMPER_SIM_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &own_fake_stack, caller_bottom, caller_bytes);
#endif
#ifdef SEMPER_SIM_TSAN
    __tsan_switch_to_fiber(caller_tsan, 0);
#endif
    swapcontext(&own, &caller);
  }
};

SimFiber::SimFiber(std::function<void()> body) : state_(std::make_unique<State>()) {
  state_->body = std::move(body);
  state_->stack = Stacks().Take();
  SEMPER_CHECK(getcontext(&state_->own) == 0, "getcontext failed");
  state_->own.uc_stack.ss_sp = state_->stack;
  state_->own.uc_stack.ss_size = kStackBytes;
  state_->own.uc_link = nullptr;
  makecontext(&state_->own, &SimFiber::Enter, 0);
#ifdef SEMPER_SIM_TSAN
  state_->own_tsan = __tsan_create_fiber(0);
#endif
}

SimFiber::~SimFiber() {
  SEMPER_CHECK(state_->ended, "a fiber is destroyed before it has ended");
#ifdef SEMPER_SIM_TSAN
  __tsan_destroy_fiber(state_->own_tsan);
#endif
  Stacks().Return(state_->stack);
}

bool SimFiber::ended() const { return state_->ended; }

SimFiber* SimFiber::Current() { return g_current; }

void SimFiber::Enter() {
  State& state = *g_current->state_;
  state.Arrived();
  state.body();
  state.body = nullptr;  // what it captured goes while the fiber still counts as running
  state.ended = true;
  state.Leave(true);
}

void SimFiber::Resume() {
  SEMPER_CHECK(g_current == nullptr, "fibers are resumed from the main stack only");
  SEMPER_CHECK(!state_->ended, "a fiber that has ended is resumed");
  g_current = this;
#ifdef SEMPER_SIM_ASAN
  __sanitizer_start_switch_fiber(&state_->caller_fake_stack, state_->stack, kStackBytes);
#endif
#ifdef SEMPER_SIM_TSAN
  state_->caller_tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(state_->own_tsan, 0);
#endif
  swapcontext(&state_->caller, &state_->own);
#ifdef SEMPER_SIM_ASAN
  __sanitizer_finish_switch_fiber(state_->caller_fake_stack, nullptr, nullptr);
#endif
  g_current = nullptr;
}

void SimFiber::Suspend() {
  SEMPER_CHECK(g_current != nullptr, "Suspend outside of a fiber");
  State& state = *g_current->state_;
  state.Leave(false);
  state.Arrived();
}

}  // namespace semper::sim
