/** Test cases that need a process of their own: what they do to it, or to the GPU, no other test could bear. */
#pragma once

#include <cstdint>
#include <string>

namespace kigo::test {

/**
 * The first line of such a test case: `if (runs_elsewhere()) return;`. Runs the same test case in another process and
 * checks that it passes there, within two minutes; in that process it is false. The name must hold no comma.
 */
bool runs_elsewhere();

/** Another process that takes the GPU's memory. It answers when it has done what it was asked. */
class OtherProcess {
 public:
  OtherProcess();
  ~OtherProcess();
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  /** Takes all but about `bytes` (a few MiB); gives back first what it had. */
  void leave(uint64_t bytes) { ask("leave " + std::to_string(bytes)); }
  /** From now on it leaves `bytes` and twice as much by turns, as fast as it can, until it is asked for something. */
  void waver(uint64_t bytes) { ask("waver " + std::to_string(bytes)); }
  void let_go() { ask("leave " + std::to_string(UINT64_MAX)); }

 private:
  void ask(const std::string& what);
  int to_ = -1, from_ = -1;
  int pid_ = -1;
};

}  // namespace kigo::test
