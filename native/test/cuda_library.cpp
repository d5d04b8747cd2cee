#include "test/cuda_library.h"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace kigo::test {

namespace {

/** NULL: it was not built. */
void* operations() {
  static void* const library = [] {
    const std::string path = beside_tests("libkigo_cuda_ops.so");
    if (access(path.c_str(), R_OK) != 0) return static_cast<void*>(nullptr);
    void* opened = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
    REQUIRE_MESSAGE(opened != nullptr, dlerror());
    return opened;
  }();
  return library;
}

/** Empty: there is a GPU to test on. */
const std::string& why_no_gpu() {
  static const std::string reason = [] {
    int32_t count = 0;
    const auto device_count = reinterpret_cast<kigo_status (*)(int32_t*)>(cuda_symbol("cuda_device_count"));
    return device_count(&count) == KIGO_OK ? std::string() : cuda_error();
  }();
  return reason;
}

}  // namespace

std::string beside_tests(const std::string& file) {
  char path[PATH_MAX] = {};
  REQUIRE(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
  const std::string executable = path;
  return executable.substr(0, executable.rfind('/') + 1) + file;
}

bool cuda_is_built() {
  if (operations() == nullptr) MESSAGE("skipped: CUDA was not built");
  return operations() != nullptr;
}

bool has_cuda() {
  if (!cuda_is_built()) return false;
  if (!why_no_gpu().empty()) MESSAGE("skipped: no NVIDIA GPU (" << why_no_gpu() << ")");
  return why_no_gpu().empty();
}

bool small_tests() { return std::getenv("KIGO_SMALL_TESTS") != nullptr; }

TestShare test_share() {
  const char* text = std::getenv("KIGO_TEST_SHARE");
  if (text == nullptr) return {0, 1};
  size_t number = 0, of = 0;
  if (std::sscanf(text, "%zu/%zu", &number, &of) != 2 || number < 1 || number > of)
    throw std::invalid_argument("KIGO_TEST_SHARE is not like 2/5");
  return {number - 1, of};
}

void* cuda_symbol(const char* name) {
  void* symbol = dlsym(operations(), name);
  // No assertion where all is well: this is called while a failed one is being put into words.
  if (symbol == nullptr) FAIL("libkigo_cuda_ops.so has no " << name);
  return symbol;
}

void* cuda_simulator_symbol(const char* name) { return dlsym(operations(), name); }

std::string cuda_error() {
  const auto error = reinterpret_cast<const kigo_error* (*)()>(cuda_symbol("cuda_last_error"));
  return error()->message;
}

uint64_t cuda_free_memory() {
  const auto ask = reinterpret_cast<kigo_status (*)(uint64_t*)>(cuda_symbol("cuda_free_memory"));
  uint64_t bytes = 0;
  KIGO_REQUIRE_CUDA(ask(&bytes));
  return bytes;
}

}  // namespace kigo::test
