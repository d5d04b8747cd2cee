#include "core/mapped_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "core/error.h"
#include "core/model_file.h"

namespace kigo {

namespace {

// ---- the guard: a table that the signal handler can read without a lock ----------------------------------

struct Guard {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> lost{false};
};

constexpr int kMaxGuards = 1024;
Guard guards[kMaxGuards];
std::mutex guards_mutex;  // for taking and freeing places
struct sigaction previous_handler;

void on_sigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guard& guard : guards) {
    const uintptr_t begin = guard.begin.load(std::memory_order_acquire);
    const uintptr_t end = guard.end.load(std::memory_order_relaxed);
    if (begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t page = address / page_size * page_size;
    void* put =
        mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (put == MAP_FAILED) break;
    guard.lost.store(true, std::memory_order_release);
    errno = saved_errno;
    return;
  }
  // Not ours: whoever was there before us decides; by default the process ends with the usual dump.
  errno = saved_errno;
  if ((previous_handler.sa_flags & SA_SIGINFO) != 0 && previous_handler.sa_sigaction != nullptr) {
    previous_handler.sa_sigaction(signal, info, context);
  } else if (previous_handler.sa_handler != SIG_DFL && previous_handler.sa_handler != SIG_IGN) {
    previous_handler.sa_handler(signal);
  } else {
    ::signal(signal, SIG_DFL);
  }
}

int take_guard(const void* data, uint64_t bytes) {
  const std::lock_guard lock(guards_mutex);
  static bool installed = false;
  if (!installed) {
    struct sigaction action = {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, &previous_handler) != 0) return -1;
    installed = true;
  }
  for (int i = 0; i < kMaxGuards; ++i) {
    if (guards[i].begin.load() != 0) continue;
    guards[i].lost.store(false);
    guards[i].end.store(reinterpret_cast<uintptr_t>(data) + bytes);
    guards[i].begin.store(reinterpret_cast<uintptr_t>(data), std::memory_order_release);
    return i;
  }
  return -1;
}

void free_guard(int place) {
  const std::lock_guard lock(guards_mutex);
  guards[place].begin.store(0);
}

}  // namespace

MappedFile::MappedFile(const FileIdentity& identity) : identity_(identity) {
  const ModelFile file(identity);  // the mapping keeps it when it is closed
  void* data = mmap(nullptr, identity.bytes, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (data == MAP_FAILED) refuse_file(identity, errno);
  guard_ = take_guard(data, identity.bytes);
  if (guard_ < 0) {
    munmap(data, identity.bytes);
    throw Error(KIGO_MODEL_UNREADABLE, "Too many model files are open at once.");
  }
  data_ = static_cast<const uint8_t*>(data);
}

MappedFile::~MappedFile() {
  free_guard(guard_);
  munmap(const_cast<uint8_t*>(data_), identity_.bytes);
}

void MappedFile::prefault(uint64_t offset, uint64_t bytes, const std::function<void(uint64_t)>& step) const {
  constexpr uint64_t kStep = 8 << 20;
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t n = std::min(kStep, bytes - done);
    const uint64_t begin = (offset + done) / page * page;
    // Asks the disk for the next step while this one is being touched. Advice: its failure changes nothing.
    const uint64_t ahead = std::min(identity_.bytes, begin + 2 * kStep) - begin;
    madvise(const_cast<uint8_t*>(data_ + begin), ahead, MADV_WILLNEED);
    for (uint64_t at = offset + done; at < offset + done + n; at += page) {
      static_cast<void>(*static_cast<const volatile uint8_t*>(data_ + at));
    }
    expect_whole();
    done += n;
    step(done);
  }
}

void MappedFile::expect_whole() const {
  if (guards[guard_].lost.load(std::memory_order_acquire))
    file_changed(identity_, "was cut short or became unreadable while in use");
}

void MappedFile::expect_unchanged() const {
  expect_whole();
  kigo::expect_unchanged(identity_);
}

}  // namespace kigo
