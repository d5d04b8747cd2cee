#include "cuda/simulator/block.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "cuda/simulator/checks.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

// Saves the registers that a call has to preserve, changes stacks, and goes on where the other one was left.
extern "C" void kigo_simulator_switch(void** from, void* to);
asm(R"(
.text
.globl kigo_simulator_switch
.hidden kigo_simulator_switch
.type kigo_simulator_switch,@function
kigo_simulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size kigo_simulator_switch, .-kigo_simulator_switch
)");

namespace kigo::simulator {

namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostShared = 256 << 10;

struct Thread {
  uint3 index;
  void* stack_pointer = nullptr;
  std::byte* stack = nullptr;
  std::vector<std::vector<std::pair<void*, uint4>>> copies;  // groups on their way; the last one is open
};

/** Lanes as bits. Who is in none of them has ended. */
struct Warp {
  uint32_t ready = 0, at_barrier = 0, at_meeting = 0;
  // What they meet for, and what they bring: nobody comes to the next meeting but one before all have left this one.
  Meeting what = kShuffle;
  unsigned n_meetings = 0;
  Brought brought[2] = {};
};

// Not among the library's variables, where checks.cpp looks for kernels' shared memory.
Thread* const threads = new Thread[kMostThreads];
Warp* const warps = new Warp[kMostThreads / 32];
Thread* current = nullptr;
void* scheduler = nullptr;  // its stack pointer
const Launch* launched = nullptr;
Fault fault = Fault::none;
uint64_t random_state = 0;  // 0: everything in order
alignas(128) std::byte shared_memory[kMostShared];

uint64_t next_random() {  // splitmix64
  uint64_t z = random_state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

/** 0 … n-1 in the order in which they take turns. */
void put_in_order(std::vector<unsigned>& order, unsigned n) {
  order.resize(n);
  std::iota(order.begin(), order.end(), 0u);
  if (random_state == 0) return;
  for (unsigned i = n; i > 1; --i) std::swap(order[i - 1], order[next_random() % i]);
}

unsigned index_of(const Thread* thread) { return static_cast<unsigned>(thread - threads); }
Warp& warp_of(const Thread* thread) { return warps[index_of(thread) / 32]; }
uint32_t bit_of(const Thread* thread) { return 1u << index_of(thread) % 32; }

/** Some lane of those that are ready. */
unsigned pick(uint32_t ready) {
  if (random_state == 0) return static_cast<unsigned>(std::countr_zero(ready));
  for (unsigned skipped = static_cast<unsigned>(next_random() % std::popcount(ready)); skipped > 0; --skipped) {
    ready &= ready - 1;
  }
  return static_cast<unsigned>(std::countr_zero(ready));
}

/** From whoever runs (`from` is where its stack is kept) to another lane of the warp, or to the scheduler. */
void change_over(void** from, unsigned warp) {
  if (warps[warp].ready == 0 || fault != Fault::none) {
    kigo_simulator_switch(from, scheduler);
    return;
  }
  current = &threads[warp * 32 + pick(warps[warp].ready)];
  threadIdx = current->index;
  checks::thread_runs(index_of(current));
  kigo_simulator_switch(from, current->stack_pointer);
}

/** The thread that runs waits, or ends; it is not ready any more. */
void give_way() { change_over(&current->stack_pointer, index_of(current) / 32); }

[[noreturn]] void run_thread() {
  launched->body();
  checks::thread_ended();
  warp_of(current).ready &= ~bit_of(current);
  give_way();
  std::abort();  // nobody goes on with a thread that has ended
}

void begin(unsigned i) {
  Thread& thread = threads[i];
  if (thread.stack == nullptr) {
    void* stack =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) std::abort();
    thread.stack = static_cast<std::byte*>(stack);
  }
  // As the switch leaves a stack: six registers, then where to go on; and behind it as a call leaves one. Stacks begin
  // at different places of a page, so that they do not fight for the same lines of the cache.
  auto* top = reinterpret_cast<void**>(thread.stack + kStackBytes - i % 60 * 64) - 8;
  top[6] = reinterpret_cast<void*>(&run_thread);
  top[7] = nullptr;
  thread.stack_pointer = top;
  thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
  thread.copies.resize(1);
  thread.copies.front().clear();
}

void run_block(uint3 block) {
  static std::vector<unsigned> order;
  blockIdx = block;
  const unsigned n = blockDim.x * blockDim.y * blockDim.z, n_warps = (n + 31) / 32;
  std::memset(shared_memory, 0xff, launched->shared_bytes);
  checks::block_begins(block.x + gridDim.x * (block.y + gridDim.y * block.z), shared_memory, launched->shared_bytes);
  for (unsigned i = 0; i < n; ++i) begin(i);
  for (unsigned w = 0; w < n_warps; ++w) {
    const unsigned n_lanes = std::min(32u, n - w * 32);
    warps[w].ready = n_lanes == 32 ? ~0u : (1u << n_lanes) - 1;
    warps[w].at_barrier = warps[w].at_meeting = 0;
  }
  for (bool more = true; more;) {
    put_in_order(order, n_warps);
    for (const unsigned w : order) {
      if (warps[w].ready != 0) change_over(&scheduler, w);
      if (warps[w].at_meeting != 0 && fault == Fault::none) fault = Fault::stuck;
      if (fault != Fault::none) return;
    }
    // Who has ended counts as one that has come to the barrier, as on a GPU.
    checks::block_barrier_passed();
    more = false;
    for (unsigned w = 0; w < n_warps; ++w) {
      more |= warps[w].at_barrier != 0;
      warps[w].ready = std::exchange(warps[w].at_barrier, 0);
    }
  }
}

}  // namespace

Fault run(const Launch& launch, uint64_t seed) {
  launched = &launch;
  fault = Fault::none;
  random_state = seed;
  blockDim = launch.block;
  gridDim = launch.grid;
  checks::launch_begins(launch.name, launch.early);
  std::vector<unsigned> order;
  put_in_order(order, gridDim.x * gridDim.y * gridDim.z);
  for (const unsigned i : order) {
    run_block({i % gridDim.x, i / gridDim.x % gridDim.y, i / gridDim.x / gridDim.y});
    if (fault != Fault::none) break;
  }
  checks::launch_ends();
  return fault;
}

void* dynamic_shared() { return shared_memory; }

void block_barrier() {
  Warp& warp = warp_of(current);
  warp.ready &= ~bit_of(current);
  warp.at_barrier |= bit_of(current);
  give_way();
}

void wait_for_kernels_in_front() { checks::thread_waited(); }

unsigned lane() { return index_of(current) % 32; }

const Brought& meet(Meeting what, const uint32_t* words, size_t n_words) {
  Warp& warp = warp_of(current);
  Brought& brought = warp.brought[warp.n_meetings % 2];
  if (warp.at_meeting == 0) warp.what = what;
  if (warp.what != what) stop(Fault::stuck);
  std::memcpy(brought.words[lane()], words, n_words * sizeof(uint32_t));
  warp.ready &= ~bit_of(current);
  warp.at_meeting |= bit_of(current);
  if (warp.at_meeting != ~0u) {
    give_way();
    return brought;
  }
  if (what == kSyncWarp) checks::warp_synchronised(index_of(current) / 32);
  ++warp.n_meetings;
  warp.at_meeting = 0;
  warp.ready = ~0u;
  return brought;
}

void copy_later(void* to, const uint4& value) {
  checks::wrote_async(to, sizeof value, __builtin_return_address(0));
  current->copies.back().emplace_back(to, value);
}

void end_group_of_copies() { current->copies.emplace_back(); }

void finish_copies(size_t n_pending) {
  auto& groups = current->copies;
  while (groups.size() - 1 > n_pending) {
    for (const auto& [to, value] : groups.front()) {
      checks::wrote_async(to, sizeof value, __builtin_return_address(0));
      std::memcpy(to, &value, sizeof value);
    }
    groups.erase(groups.begin());
  }
}

void stop(Fault what) {
  fault = what;
  give_way();
  std::abort();
}

}  // namespace kigo::simulator
