#include <doctest/doctest.h>
#include <pthread.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cpu/kernels/thread_pool.h"

using namespace kigo::cpu;

TEST_CASE("thread pool: each share runs once, and all have returned when run returns") {
  for (int n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    CHECK(pool.size() == n_threads);
    std::vector<int> calls(static_cast<size_t>(n_threads));
    for (int i = 0; i < 3000; ++i) {
      pool.run([&](int ith, int nth) {
        if (nth == n_threads) ++calls[static_cast<size_t>(ith)];  // plain: run orders them
      });
    }
    for (int n : calls) CHECK(n == 3000);
  }
}

TEST_CASE("thread pool: share 0 is the caller's") {
  ThreadPool pool(3);
  std::thread::id first;
  pool.run([&](int ith, int) {
    if (ith == 0) first = std::this_thread::get_id();
  });
  CHECK(first == std::this_thread::get_id());
}

TEST_CASE("thread pool: what one run wrote, the next one reads") {
  ThreadPool pool(4);
  std::vector<int64_t> values(1000, 1);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> next(values.size());
    pool.run([&](int ith, int nth) {
      const size_t n = values.size();
      for (size_t i = static_cast<size_t>(ith); i < n; i += static_cast<size_t>(nth)) next[i] = values[(i + 1) % n] + 1;
    });
    values = next;
  }
  for (int64_t v : values) CHECK(v == 201);
}

TEST_CASE("thread pool: every number is taken once, again in each run") {
  ThreadPool pool(4);
  for (int64_t n : {0, 1, 3, 4, 5, 257}) {
    for (int round = 0; round < 100; ++round) {
      std::vector<int> taken(static_cast<size_t>(n));
      pool.run(
          [&](int ith, int) { pool.for_each(ith, n, round % 6, [&](int64_t i) { ++taken[static_cast<size_t>(i)]; }); });
      for (int times : taken) CHECK(times == 1);
    }
  }
}

TEST_CASE("thread pool: a share that is slow is left less") {
  ThreadPool pool(2);
  std::array<std::atomic<int>, 2> taken{};
  pool.run([&](int ith, int) {
    pool.for_each(ith, 100, 2, [&](int64_t) {
      ++taken[static_cast<size_t>(ith)];
      if (ith == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    });
  });
  CHECK(taken[0] + taken[1] == 100);
  CHECK(taken[0] > taken[1]);
}

TEST_CASE("thread pool: workers that sleep come back") {
  ThreadPool pool(3, true);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 3));
    std::atomic<int> calls{0};
    pool.run([&](int, int) { ++calls; });
    CHECK(calls == 3);
  }
}

TEST_CASE("thread pool: far more threads than cores still finish") {
  ThreadPool pool(16);
  std::atomic<int> calls{0};
  for (int i = 0; i < 200; ++i) pool.run([&](int, int) { ++calls; });
  CHECK(calls == 3200);
}

TEST_CASE("thread pool: starting and stopping without a run") {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

TEST_CASE("thread pool: share 0 asks whether to stop, all see the answer, and it is forgotten at the end") {
  ThreadPool pool(3);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> done{0};
  const auto work = [&] {
    done = 0;
    pool.run([&](int ith, int) {
      pool.for_each(ith, 300, 0, [&](int64_t) {
        if (!pool.asks_to_stop(ith)) ++done;
      });
    });
  };
  {
    int left = 20;
    const auto asked = [&] {
      CHECK(std::this_thread::get_id() == caller);
      return --left <= 0;
    };
    const StopWhen stop(pool, asked);
    while (!pool.stopped()) work();
    CHECK(left == 0);  // nobody asks again once it is known
    work();
    CHECK(done == 0);
  }
  CHECK(!pool.stopped());
  work();
  CHECK(done == 300);
}

#if defined(__linux__)
TEST_CASE("thread pool: where the system starts no more threads, those there are do the work") {
  // Stacks as large as all that a process can address: from here on no thread can be started.
  pthread_attr_t usual, huge;
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  REQUIRE(pthread_attr_init(&huge) == 0);
  REQUIRE(pthread_attr_setstacksize(&huge, size_t{1} << 47) == 0);
  REQUIRE(pthread_setattr_default_np(&huge) == 0);
  {
    ThreadPool pool(4);
    CHECK(pool.size() == 1);
    std::atomic<int> calls{0};
    pool.run([&](int ith, int nth) {
      CHECK(nth == 1);
      pool.for_each(ith, 10, 0, [&](int64_t) { ++calls; });
    });
    CHECK(calls == 10);
  }
  CHECK(pthread_setattr_default_np(&usual) == 0);
  CHECK(ThreadPool(4).size() == 4);
  pthread_attr_destroy(&usual);
  pthread_attr_destroy(&huge);
}
#endif

TEST_CASE("usable cores: within the machine, and at least one") {
  const int cores = usable_physical_cores();
  CHECK(cores >= 1);
  CHECK(cores <= static_cast<int>(std::thread::hardware_concurrency()));
}

#if defined(__linux__)
namespace {

/** A folder that stands for / in the tests, removed at the end. */
class FakeRoot {
 public:
  FakeRoot() {
    std::string name = (std::filesystem::temp_directory_path() / "kigo-root-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = path_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  int cores() const { return usable_physical_cores(path_.c_str()); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("usable cores: threads of one core count once") {
  FakeRoot root;
  const unsigned n = std::thread::hardware_concurrency();
  for (unsigned cpu = 0; cpu < 1024; ++cpu) {
    root.write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/core_cpus_list", "0-1023");
  }
  CHECK(n >= 1);
  CHECK(root.cores() == 1);
}

TEST_CASE("usable cores: a cgroup's quota, of either version, at any level") {
  FakeRoot none;
  const int all = none.cores();
  if (all < 2) return;  // a quota cannot lower a single core
  {
    FakeRoot root;
    root.write("/proc/self/cgroup", "0::/user/app");
    root.write("/sys/fs/cgroup/user/cpu.max", "150000 100000");
    root.write("/sys/fs/cgroup/user/app/cpu.max", "max 100000");
    CHECK(root.cores() == 1);
  }
  {
    FakeRoot root;  // inside a container the group's own folder is the mount
    root.write("/proc/self/cgroup", "0::/");
    root.write("/sys/fs/cgroup/cpu.max", "50000 100000");
    CHECK(root.cores() == 1);
  }
  {
    FakeRoot root;
    root.write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/x\n3:memory:/docker/x");
    root.write("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "100000");
    root.write("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000");
    CHECK(root.cores() == 1);
  }
  {
    FakeRoot root;
    root.write("/proc/self/cgroup", "4:cpu,cpuacct:/\n0::/");
    root.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
    root.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    root.write("/sys/fs/cgroup/cpu.max", "max 100000");
    CHECK(root.cores() == all);
  }
}
#endif
