#include "cuda/simulator/checks.h"

#ifdef KIGO_SIMULATOR_CHECKS

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "cuda/simulator/block.h"

namespace kigo::simulator::checks {

namespace {

/** Who, and when. */
struct Stamp {
  uint32_t launch = 0;  // 0: nobody
  uint32_t block = 0;
  uint32_t barriers = 0;  // that the block has passed
  uint16_t thread = 0;
  uint16_t warp_syncs = 0;
  uint32_t atomics = 0;  // of all blocks, until then
  bool atomic = false;
};

/** Four bytes: who wrote last, and two of those who read; which of the bytes; which of them hold something. */
struct Cell {
  Stamp write, first_read, last_read;
  uint8_t written = 0, read = 0, filled = 0;
};

struct Region {
  uintptr_t begin, end;
  Cell* cells;
  bool shared;
  size_t cell_bytes() const { return ((end - begin) / 4 + 1) * sizeof(Cell); }
};

/** What a block has done for others to rely on. */
struct Order {
  uint32_t launch = 0;
  uint32_t released = 0;  // atomics of all blocks when it last did one behind a fence; 0: never
  uint32_t acquired = 0;  // … when it last did a fence behind one
};

constexpr uint32_t kMostBlocks = 1 << 20;
std::map<uintptr_t, Region> regions;  // by begin
const Region* last_region = nullptr;
const char* kernel = "";
/** Of the thread that runs a kernel: host code of others is compiled with the hooks too. */
thread_local bool running = false;
bool early = false;
uint32_t n_launches = 0, chain_begin = 0, n_atomics = 0;
uint32_t block = 0, barriers = 0;
uint16_t warp_syncs[32] = {};
unsigned thread = 0;
bool waited[1024] = {};
bool fence_since_atomic = false, atomic_since_fence = false;
Order* orders = nullptr;  // [kMostBlocks]
int atomic_depth = 0;
std::set<std::tuple<const char*, const void*, const char*>> reported;

struct AtExit {
  ~AtExit() {
    if (!reported.empty()) std::_Exit(66);
  }
} at_exit;

Region region(uintptr_t begin, uintptr_t end, bool shared) {
  Region made = {begin, end, nullptr, shared};
  void* cells =
      mmap(nullptr, made.cell_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cells == MAP_FAILED) std::abort();
  made.cells = static_cast<Cell*>(cells);  // zeros: nobody
  return made;
}

/** This library's variables: __shared__ ones are among them. */
int add_variables(dl_phdr_info* info, size_t, void*) {
  const auto here = reinterpret_cast<uintptr_t>(&n_launches);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + part.p_vaddr, end = begin + part.p_memsz;
    if (part.p_type == PT_LOAD && here >= begin && here < end) regions[begin] = region(begin, end, true);
  }
  return 0;
}

const Region* region_of(uintptr_t at) {
  if (last_region != nullptr && at >= last_region->begin && at < last_region->end) return last_region;
  auto found = regions.upper_bound(at);
  if (found == regions.begin()) return nullptr;
  --found;
  return at < found->second.end ? last_region = &found->second : nullptr;
}

bool is_index(uintptr_t at) {
  const auto in = [at](const auto& v) {
    const auto begin = reinterpret_cast<uintptr_t>(&v);
    return at >= begin && at < begin + sizeof v;
  };
  return in(threadIdx) || in(blockIdx) || in(blockDim) || in(gridDim);
}

void report(const char* what, const void* code, uintptr_t at, const Region& in, const Stamp& other) {
  if (!reported.emplace(kernel, code, what).second) return;
  Dl_info library = {};
  dladdr(code, &library);
  const auto offset = reinterpret_cast<uintptr_t>(code) - reinterpret_cast<uintptr_t>(library.dli_fbase);
  std::fprintf(
      stderr, "simulated GPU: %s: %s, %s memory at %zu, block %u thread %u; block %u thread %u; code at %#zx\n", kernel,
      what, in.shared ? "shared" : "global", at - in.begin, block, thread, other.block, other.thread, offset);
}

/** Whether something stands between an access and the present one of another thread. */
bool ordered(const Stamp& was, bool shared) {
  if (was.launch == 0) return true;
  if (was.launch != n_launches) return shared || !early || waited[thread] || was.launch < chain_begin;
  if (was.block != block) {
    if (shared) return true;
    const Order &theirs = orders[was.block], &ours = orders[block];
    return theirs.launch == n_launches && ours.launch == n_launches && was.atomics < theirs.released &&
           ours.acquired >= theirs.released;
  }
  if (was.thread == thread || was.barriers != barriers) return true;
  return was.thread / 32 == thread / 32 && was.warp_syncs != warp_syncs[thread / 32];
}

void access(const void* address, size_t bytes, bool writes, const void* code) {
  if (!running) return;
  const auto at = reinterpret_cast<uintptr_t>(address);
  const Region* in = region_of(at);
  if (in == nullptr || is_index(at)) return;
  const bool atomic = atomic_depth > 0;
  const Stamp now = {n_launches, block, barriers, static_cast<uint16_t>(thread), warp_syncs[thread / 32],
                     n_atomics,  atomic};
  const auto conflicts = [&](const Stamp& was) { return !(was.atomic && atomic) && !ordered(was, in->shared); };
  for (uintptr_t word = at & ~uintptr_t{3}; word < at + bytes; word += 4) {
    Cell& cell = in->cells[(word - in->begin) / 4];
    uint8_t mask = 0;
    for (unsigned i = 0; i < 4; ++i) mask |= word + i >= at && word + i < at + bytes ? 1u << i : 0;
    if (in->shared && (cell.write.launch != n_launches || cell.write.block != block)) cell.filled = 0;
    if ((cell.written & mask) != 0 && conflicts(cell.write)) {
      report(writes ? "a write races with a write" : "a read races with a write", code, word, *in, cell.write);
    }
    if (writes) {
      if ((cell.read & mask) != 0) {
        for (const Stamp* read : {&cell.first_read, &cell.last_read}) {
          if (conflicts(*read)) report("a write races with a read", code, word, *in, *read);
        }
      }
      // Of two that write different bytes of a word, the last one is remembered.
      const bool again = std::memcmp(&cell.write, &now, offsetof(Stamp, atomics)) == 0;
      cell.written = again ? cell.written | mask : mask;
      cell.write = now;
      cell.filled |= mask;
      cell.read = 0;
      cell.first_read = cell.last_read = {};
    } else {
      if ((cell.filled & mask) != mask) report("a read of what nothing wrote", code, word, *in, {});
      if (cell.first_read.launch != n_launches || cell.first_read.block != block ||
          cell.first_read.barriers != barriers) {
        cell.first_read = now;
        cell.read = 0;
      }
      cell.last_read = now;
      cell.read |= mask;
    }
  }
}

}  // namespace

void took(const void* memory, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  regions[begin] = region(begin, begin + bytes, false);
  last_region = nullptr;
}

void gave_back(const void* memory) {
  const auto found = regions.find(reinterpret_cast<uintptr_t>(memory));
  if (found == regions.end()) return;
  munmap(found->second.cells, found->second.cell_bytes());
  regions.erase(found);
  last_region = nullptr;
}

void filled(const void* memory, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(memory);
  const Region* in = region_of(at);
  if (in == nullptr) return;
  for (size_t i = 0; i < bytes; ++i) in->cells[(at + i - in->begin) / 4].filled |= 1u << (at + i) % 4;
  chain_begin = n_launches + 1;  // what comes behind it in the stream waits for all in front
}

void launch_begins(const char* name, bool begins_early) {
  if (n_launches == 0) {
    dl_iterate_phdr(add_variables, nullptr);
    orders = static_cast<Order*>(std::calloc(kMostBlocks, sizeof(Order)));
  }
  ++n_launches;
  kernel = name;
  early = begins_early;
  if (!early) chain_begin = n_launches;
  running = true;
  n_atomics = 1;
}

void launch_ends() { running = false; }

void block_begins(uint32_t index, const void* shared, size_t shared_bytes) {
  block = index;
  barriers = 0;
  std::memset(warp_syncs, 0, sizeof warp_syncs);
  std::memset(waited, 0, sizeof waited);
  fence_since_atomic = atomic_since_fence = false;
  if (const Region* in = region_of(reinterpret_cast<uintptr_t>(shared)); in != nullptr) {
    const size_t first = (reinterpret_cast<uintptr_t>(shared) - in->begin) / 4;
    for (size_t i = 0; i < (shared_bytes + 3) / 4; ++i) in->cells[first + i] = {};
  }
}

void block_barrier_passed() { ++barriers; }
void warp_synchronised(unsigned warp) { ++warp_syncs[warp]; }
void thread_runs(unsigned index) { thread = index; }
void thread_waited() { waited[thread] = true; }
void thread_ended() {
  if (early && !waited[thread])
    report("a thread ends that has not waited for the kernels in front", nullptr, 0, {}, {});
}
void wrote_async(const void* to, size_t bytes, const void* code) { access(to, bytes, true, code); }

void fenced() {
  if (atomic_since_fence) orders[block].acquired = n_atomics;
  fence_since_atomic = true;
  atomic_since_fence = false;
}

Atomic::Atomic() {
  if (atomic_depth++ > 0) return;
  ++n_atomics;
  if (orders[block].launch != n_launches) orders[block] = {n_launches, 0, 0};
  if (fence_since_atomic) orders[block].released = n_atomics;
  fence_since_atomic = false;
  atomic_since_fence = true;
}
Atomic::~Atomic() { --atomic_depth; }

Relaxed::Relaxed() { ++atomic_depth; }
Relaxed::~Relaxed() { --atomic_depth; }

}  // namespace kigo::simulator::checks

/** How many places were found since the last call, which are forgotten then: for the tests of the checks. */
extern "C" __attribute__((visibility("default"))) size_t simulator_take_findings() {
  using kigo::simulator::checks::reported;
  const size_t n = reported.size();
  reported.clear();
  return n;
}

// What -fsanitize=thread calls.
#define KIGO_HOOK(name, bytes, writes) \
  extern "C" void name(void* at) { kigo::simulator::checks::access(at, bytes, writes, __builtin_return_address(0)); }
KIGO_HOOK(__tsan_read1, 1, false)
KIGO_HOOK(__tsan_read2, 2, false)
KIGO_HOOK(__tsan_read4, 4, false)
KIGO_HOOK(__tsan_read8, 8, false)
KIGO_HOOK(__tsan_read16, 16, false)
KIGO_HOOK(__tsan_write1, 1, true)
KIGO_HOOK(__tsan_write2, 2, true)
KIGO_HOOK(__tsan_write4, 4, true)
KIGO_HOOK(__tsan_write8, 8, true)
KIGO_HOOK(__tsan_write16, 16, true)
KIGO_HOOK(__tsan_unaligned_read2, 2, false)
KIGO_HOOK(__tsan_unaligned_read4, 4, false)
KIGO_HOOK(__tsan_unaligned_read8, 8, false)
KIGO_HOOK(__tsan_unaligned_read16, 16, false)
KIGO_HOOK(__tsan_unaligned_write2, 2, true)
KIGO_HOOK(__tsan_unaligned_write4, 4, true)
KIGO_HOOK(__tsan_unaligned_write8, 8, true)
KIGO_HOOK(__tsan_unaligned_write16, 16, true)
extern "C" void __tsan_read_range(void* at, size_t bytes) {
  kigo::simulator::checks::access(at, bytes, false, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* at, size_t bytes) {
  kigo::simulator::checks::access(at, bytes, true, __builtin_return_address(0));
}
// Of the host's code beside the kernels.
extern "C" uint8_t __tsan_atomic8_load(const volatile uint8_t* at, int) {
  return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
extern "C" uint32_t __tsan_atomic32_load(const volatile uint32_t* at, int) {
  return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
extern "C" void __tsan_atomic32_store(volatile uint32_t* at, uint32_t v, int) {
  __atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}
extern "C" void __tsan_init() {}
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_vptr_read(void**) {}

#else

namespace kigo::simulator::checks {

void took(const void*, size_t) {}
void gave_back(const void*) {}
void filled(const void*, size_t) {}
void launch_begins(const char*, bool) {}
void launch_ends() {}
void block_begins(uint32_t, const void*, size_t) {}
void block_barrier_passed() {}
void warp_synchronised(unsigned) {}
void thread_runs(unsigned) {}
void thread_waited() {}
void thread_ended() {}
void wrote_async(const void*, size_t, const void*) {}
void fenced() {}
Atomic::Atomic() = default;
Atomic::~Atomic() = default;
Relaxed::Relaxed() = default;
Relaxed::~Relaxed() = default;

}  // namespace kigo::simulator::checks

#endif
