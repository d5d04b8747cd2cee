/** What becomes of a cuBLAS that does not fit or fails: with a false one, found in front of any other. */
#include <dlfcn.h>

#include <cstdlib>

#include "test/alone.h"
#include "test/backend_under_test.h"
#include "test/cublas/cublas.h"
#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::test;

namespace {

/** runs_elsewhere(), where the process there finds libcublas.so.13, too new for any driver, and libcublas.so.12. */
bool runs_with_false_cublas() {
  if (!has_cuda()) return true;
  if (std::getenv("KIGO_ALONE") != nullptr) return false;
  const auto value = [](const char* name) {
    const char* set = std::getenv(name);
    return std::string(set == nullptr ? "" : set);
  };
  const std::string path = value("LD_LIBRARY_PATH"), gemm = value("KIGO_GEMM");
  setenv("LD_LIBRARY_PATH", (beside_tests("false_cublas") + (path.empty() ? "" : ":" + path)).c_str(), 1);
  setenv("KIGO_GEMM", "", 1);
  runs_elsewhere();
  path.empty() ? unsetenv("LD_LIBRARY_PATH") : setenv("LD_LIBRARY_PATH", path.c_str(), 1);
  gemm.empty() ? unsetenv("KIGO_GEMM") : setenv("KIGO_GEMM", gemm.c_str(), 1);
  return true;
}

/** The one of version 12, which every driver runs. */
FalseCublas& false_cublas() {
  static void* const library = dlopen("libcublas.so.12", RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, dlerror());
  auto* found = static_cast<FalseCublas*>(dlsym(library, "false_cublas"));
  REQUIRE((found != nullptr));
  return *found;
}

BackendUnderTest fast_cuda() { return {"cuda fast", cuda_backend(), false, 1e-2, true}; }

std::string detail_of_first_device() {
  kigo_device_info info = {};
  KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->device_info(0, &info));
  return info.detail;
}

/** What opening a model says. */
Error open_error(TinyModel& tiny) {
  const kigo_model_options options = model_options(false);
  kigo_model* model = nullptr;
  if (cuda_backend()->model_open(tiny.desc(), &options, nullptr, &model) != KIGO_OK) {
    return to_exception(*cuda_backend()->last_error());
  }
  cuda_backend()->model_close(model);
  return Error(KIGO_OK, "no error");
}

/** What a prompt says. */
Error prompt_error(OpenSession& session) {
  const std::vector<int32_t> prompt = some_tokens(9, 97);
  const kigo_forward request = forward_of(prompt.data(), 9, KIGO_LOGITS_LAST);
  if (session.api->forward(session.handle, &request) == KIGO_OK) return Error(KIGO_OK, "no error");
  return to_exception(*session.api->last_error());
}

}  // namespace

TEST_CASE("cuda by itself: a cuBLAS newer than the driver is passed over for an older one") {
  if (runs_with_false_cublas()) return;
  CHECK(detail_of_first_device().find("cuBLAS 12.4 (" + beside_tests("false_cublas")) != std::string::npos);
}

TEST_CASE("cuda by itself: where every cuBLAS is too new the devices say so and our own product serves") {
  if (runs_with_false_cublas()) return;
  false_cublas().version = 98;
  const std::string detail = detail_of_first_device();
  INFO(detail);
  // On this machine there may be another one that fits, in the toolkit's folder.
  const bool says_why = detail.find("own GEMM: cuBLAS cannot be used: ") != std::string::npos &&
                        detail.find("libcublas.so.12 is version 98 and needs a newer driver") != std::string::npos;
  CHECK((says_why || detail.find("(/usr/local/cuda") != std::string::npos));
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, 97);
  OpenModel model(fast_cuda(), tiny), on_cpu(backends()[0], tiny);
  CHECK(relative_error(OpenSession(model, 16, 16).prefill(prompt, 16, 97),
                       OpenSession(on_cpu, 16, 16).prefill(prompt, 16, 97)) < 1e-2);
}

TEST_CASE("cuda by itself: a cuBLAS that does not start is short of memory only where there is little") {
  if (runs_with_false_cublas()) return;
  const auto take = cuda_function<kigo_status(uint64_t, void**)>("cuda_take_memory");
  const auto give = cuda_function<void(void*)>("cuda_give_memory");
  constexpr int kNotInitialized = 1, kAllocFailed = 3;
  TinyModel tiny;
  false_cublas().create = kNotInitialized;
  CHECK(open_error(tiny).status() == KIGO_INTERNAL);
  void* block = nullptr;
  KIGO_REQUIRE_CUDA(take(cuda_free_memory() - (96 << 20), &block));
  CHECK(open_error(tiny).status() == KIGO_OUT_OF_MEMORY);
  give(block);
  false_cublas().create = kAllocFailed;
  CHECK(open_error(tiny).status() == KIGO_OUT_OF_MEMORY);
  false_cublas().create = 0;
  false_cublas().set_math_mode = 7;
  CHECK(open_error(tiny).status() == KIGO_INTERNAL);
  CHECK(false_cublas().n_open == 0);
  false_cublas().set_math_mode = 0;
  CHECK(open_error(tiny).status() == KIGO_OK);
  CHECK(false_cublas().n_open == 0);
}

TEST_CASE("cuda by itself: a product that cuBLAS fails in leaves a sound GPU in use") {
  if (runs_with_false_cublas()) return;
  constexpr int kExecutionFailed = 13;
  TinyModel tiny;
  false_cublas().multiply = kExecutionFailed;
  OpenModel model(fast_cuda(), tiny);
  OpenSession session(model, 16, 16);
  const Error error = prompt_error(session);
  CHECK(error.status() == KIGO_INTERNAL);
  CHECK(error.message().find("cuBLAS failed (13)") != std::string::npos);
  CHECK(session.length() == 0);
  false_cublas().multiply = 0;
  const int32_t token = 5;
  const kigo_forward single = forward_of(&token, 1, KIGO_LOGITS_LAST);  // which needs no cuBLAS
  KIGO_REQUIRE_OK(session.api, session.api->forward(session.handle, &single));
}

TEST_CASE("cuda by itself: a fault of the GPU that cuBLAS is the first to meet is a lost GPU") {
  if (runs_with_false_cublas()) return;
  constexpr int kInternalError = 14;
  TinyModel tiny;
  false_cublas().multiply = kInternalError;
  OpenModel model(fast_cuda(), tiny);
  OpenSession session(model, 16, 16);
  false_cublas().on_multiply = [] {
    // The kernel is done when the memory is given back, which waits for the GPU.
    const auto break_gpu = cuda_function<kigo_status(int32_t)>("cuda_break");
    const auto take = cuda_function<kigo_status(uint64_t, void**)>("cuda_take_memory");
    const auto give = cuda_function<void(void*)>("cuda_give_memory");
    void* block = nullptr;
    KIGO_REQUIRE_CUDA(take(1, &block));
    KIGO_REQUIRE_CUDA(break_gpu(0));
    give(block);
  };
  const Error error = prompt_error(session);
  CHECK(error.status() == KIGO_DEVICE_LOST);
  CHECK(error.message().find("Restart Kigo") != std::string::npos);
}

TEST_CASE("cuda by itself: a reply whose beginning cuBLAS fails in begins again") {
  if (runs_with_false_cublas()) return;
  TinyModel tiny;
  OpenModel model(fast_cuda(), tiny);
  const std::vector<int32_t> prompt = some_tokens(5, 97);
  const kigo_sampling sampling = greedy();
  static int n_calls, failing;
  false_cublas().set_stream = [] { return ++n_calls == failing ? 7 : 0; };
  std::vector<int32_t> expected;
  for (const int call : {0, 1, 2}) {
    CAPTURE(call);
    OpenSession session(model, 16, 8);
    session.prefill(prompt, 1, 97);  // which needs no product
    KIGO_REQUIRE_OK(session.api, session.api->sampling_begin(session.handle, &sampling));
    n_calls = 0;
    failing = call;
    int n_failed = 0;
    std::vector<int32_t> ids;
    while (ids.size() < 5) {
      kigo_token_record record = {};
      const kigo_status status = session.api->decode_next(session.handle, nullptr, &record);
      if (status != KIGO_OK) {
        CHECK(status == KIGO_INTERNAL);
        REQUIRE(++n_failed == 1);
        continue;
      }
      ids.push_back(record.id);
    }
    CHECK(n_failed == (call == 0 ? 0 : 1));
    if (call == 0) expected = ids;
    CHECK(ids == expected);
    CHECK(session.length() == 9);
    failing = 0;
  }
}
