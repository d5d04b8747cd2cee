#include "test/alone.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "test/cuda_library.h"

extern char** environ;

namespace kigo::test {

namespace {

/** This program again, running one test case, with the files given as its descriptors from 0 on. */
int start(const std::string& test_case, const std::vector<int>& files) {
  const std::string filter = "--test-case=" + test_case;
  std::vector<const char*> arguments = {"kigo_tests", "--no-skip", "--no-colors=true", filter.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (size_t i = 0; i < files.size(); ++i) {
    posix_spawn_file_actions_adddup2(&actions, files[i], static_cast<int>(i));
  }
  const bool is_alone = std::getenv("KIGO_ALONE") != nullptr;
  setenv("KIGO_ALONE", "1", 1);
  int pid = -1;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments.data()), environ);
  if (!is_alone) unsetenv("KIGO_ALONE");
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE_MESSAGE(error == 0, std::strerror(error));
  return pid;
}

/** The process's status as waitpid gives it; -1 where it did not end in time, and then it is ended. */
int wait_for(int pid, std::chrono::seconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status;
}

const char* const kOther = "cuda by itself: the other process";

}  // namespace

bool runs_elsewhere() {
  if (std::getenv("KIGO_ALONE") != nullptr) return false;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  REQUIRE((file != nullptr));
  const int said = fileno(file.get());
  const int status =
      wait_for(start(doctest::getContextOptions()->currentTest->m_name, {0, said, said}), std::chrono::seconds(120));
  std::string words(static_cast<size_t>(lseek(said, 0, SEEK_END)), ' ');
  REQUIRE(pread(said, words.data(), words.size(), 0) == static_cast<ssize_t>(words.size()));
  const std::string mark = "MESSAGE: ";
  for (size_t at = words.find(mark); at != std::string::npos; at = words.find(mark, at + 1)) {
    MESSAGE(words.substr(at + mark.size(), words.find('\n', at) - at - mark.size()));
  }
  INFO(words);
  CHECK(status == 0);
  return true;
}

OtherProcess::OtherProcess() {
  int there[2], back[2];
  REQUIRE(pipe2(there, O_CLOEXEC) == 0);
  REQUIRE(pipe2(back, O_CLOEXEC) == 0);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  pid_ = start(kOther, {there[0], nowhere, nowhere, back[1]});
  close(nowhere);
  close(there[0]);
  close(back[1]);
  to_ = there[1];
  from_ = back[0];
}

OtherProcess::~OtherProcess() {
  close(to_);  // which ends it
  CHECK(wait_for(pid_, std::chrono::seconds(30)) == 0);
  close(from_);
}

void OtherProcess::ask(const std::string& what) {
  const std::string line = what + "\n";
  REQUIRE(write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  char answer = 0;
  REQUIRE(read(from_, &answer, 1) == 1);
}

/** The other side of OtherProcess: not a test, but started as one. */
TEST_CASE("cuda by itself: the other process" * doctest::skip()) {
  if (std::getenv("KIGO_ALONE") == nullptr) return;
  const auto take = cuda_function<kigo_status(uint64_t, void**)>("cuda_take_memory");
  const auto give = cuda_function<void(void*)>("cuda_give_memory");
  REQUIRE((give != nullptr));
  std::vector<void*> blocks;
  const auto let_go = [&] {
    for (void* block : blocks) give(block);
    blocks.clear();
  };
  // In large pieces and then in smaller ones: the driver does not give all that it calls free at once.
  const auto leave = [&](uint64_t bytes) {
    constexpr uint64_t kLeast = 2 << 20;
    let_go();
    for (uint64_t piece = UINT64_MAX; piece >= kLeast;) {
      const uint64_t free = cuda_free_memory();
      piece = std::min(piece, free > bytes ? free - bytes : 0);
      void* block = nullptr;
      if (piece >= kLeast && take(piece, &block) == KIGO_OK) {
        blocks.push_back(block);
      } else {
        piece /= 2;
      }
    }
  };
  char what[16];
  unsigned long long bytes = 0;
  std::setvbuf(stdin, nullptr, _IONBF, 0);
  while (std::scanf("%15s %llu", what, &bytes) == 2) {
    const bool wavers = std::strcmp(what, "waver") == 0;
    leave(bytes);
    REQUIRE(write(3, "+", 1) == 1);
    pollfd more = {.fd = 0, .events = POLLIN, .revents = 0};
    for (uint64_t turn = 1; wavers && poll(&more, 1, 0) == 0; ++turn) leave(bytes * (1 + turn % 2));
  }
  let_go();
}

}  // namespace kigo::test
