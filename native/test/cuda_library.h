/** The CUDA twin's operations, one by one, from the test library that lies beside the tests. */
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kigo/abi.h"

namespace kigo::test {

/** Path of a file beside this executable, so that the folder can be carried to another machine. */
std::string beside_tests(const std::string& file);

/** Whether the test library is there; where not, says so as a skipped test. It needs no GPU to be loaded. */
bool cuda_is_built();

/** Whether the test library is there and a GPU that it can use; where not, says so as a skipped test. */
bool has_cuda();

/**
 * Whether tests with many like cases shall take a few of them: KIGO_SMALL_TESTS is set. For tools that make kernels a
 * hundred times slower (scripts/sanitize.sh); every kernel and every kind of case still runs.
 */
bool small_tests();

/** All of a test's cases; of small tests every `step`-th, and the last. */
template <class T>
std::vector<T> few(std::vector<T> cases, size_t step) {
  if (!small_tests()) return cases;
  std::vector<T> some;
  for (size_t i = (cases.size() - 1) % step; i < cases.size(); i += step) some.push_back(std::move(cases[i]));
  return some;
}

/** Which of `of` shares a test takes of its cases: KIGO_TEST_SHARE="2/5" is the second of five. Without it, all. */
struct TestShare {
  size_t index, of;
};
TestShare test_share();

/** Each of the first with each of the second. */
template <class A, class B>
std::vector<std::pair<A, B>> pairs(const std::vector<A>& first, const std::vector<B>& second) {
  std::vector<std::pair<A, B>> all;
  for (const A& a : first) {
    for (const B& b : second) all.emplace_back(a, b);
  }
  return all;
}

/** This process's share of the cases; for tests that take minutes under a tool, so that several processes do them. */
template <class T>
std::vector<T> share(std::vector<T> cases) {
  std::vector<T> some;
  for (size_t i = test_share().index; i < cases.size(); i += test_share().of) some.push_back(std::move(cases[i]));
  return some;
}

/** An exported symbol of libkigo_cuda_ops.so. A test failure where it has none of this name. */
void* cuda_symbol(const char* name);

/**
 * The function, for example cuda_function<kigo_status(const float* x, float* y, int64_t n)>("cuda_residual_add").
 * NULL where there is no GPU: the test is skipped then, and that is said.
 */
template <class Function>
Function* cuda_function(const char* name) {
  return has_cuda() ? reinterpret_cast<Function*>(cuda_symbol(name)) : nullptr;
}

/** A function of the simulator's own; NULL on a real GPU, or where it was built without. */
void* cuda_simulator_symbol(const char* name);
template <class Function>
Function* cuda_simulator_function(const char* name) {
  return reinterpret_cast<Function*>(cuda_simulator_symbol(name));
}

/** Words of the operation's last failure on this thread. */
std::string cuda_error();

/** Bytes that the first GPU has for whoever asks first; makes a context there. */
uint64_t cuda_free_memory();

/** A call of an exported operation must succeed. */
#define KIGO_REQUIRE_CUDA(call)                                                               \
  do {                                                                                        \
    const kigo_status status_ = (call);                                                       \
    const std::string words_ = status_ == KIGO_OK ? std::string() : kigo::test::cuda_error(); \
    INFO(words_);                                                                             \
    REQUIRE(status_ == KIGO_OK);                                                              \
  } while (false)

}  // namespace kigo::test
