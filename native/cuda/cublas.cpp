#include "cuda/cublas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "cuda/event.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

// cuBLAS's C interface as far as it is used here, so that building needs no header of it. The numbers are those of
// library_types.h and cublas_api.h, the same in 12 and 13.
using Handle = void*;
enum Operation : int { kAsIs = 0, kTransposed = 1 };
enum DataType : int { kFloat32 = 0, kFloat16 = 2, kBfloat16 = 14 };
constexpr int kCompute32F = 68;
constexpr int kDefaultAlgorithm = -1;
constexpr int kNoReducedPrecisionReduction = 16;
constexpr int kSuccess = 0, kAllocFailed = 3;

// With less free memory a failure that nothing else explains is laid to that: cuBLAS rarely says so itself, and takes
// some 100 MiB for its kernels.
constexpr size_t kLittleMemory = 256 << 20;

struct Library {
  int (*create)(Handle*) = nullptr;
  int (*destroy)(Handle) = nullptr;
  int (*set_stream)(Handle, cudaStream_t) = nullptr;
  int (*set_workspace)(Handle, void*, size_t) = nullptr;
  int (*set_math_mode)(Handle, int) = nullptr;
  int (*get_property)(int, int*) = nullptr;
  int (*gemm_ex)(Handle, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int,
                 const void*, void*, int, int, int, int) = nullptr;
  bool is_here = false;
  std::string description;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/** The file that a function came from. */
std::string file_of(void* function) {
  Dl_info info = {};
  return dladdr(function, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

/** Empty: all of it is there. */
std::string bind_functions(void* library, Library& l) {
  int major = 0, minor = 0;
  if (!find(library, "cublasCreate_v2", l.create) || !find(library, "cublasDestroy_v2", l.destroy) ||
      !find(library, "cublasSetStream_v2", l.set_stream) || !find(library, "cublasSetWorkspace_v2", l.set_workspace) ||
      !find(library, "cublasSetMathMode", l.set_math_mode) || !find(library, "cublasGetProperty", l.get_property) ||
      !find(library, "cublasGemmEx", l.gemm_ex)) {
    return dlerror();
  }
  const std::string file = file_of(reinterpret_cast<void*>(l.create));
  if (l.get_property(0, &major) != kSuccess || l.get_property(1, &minor) != kSuccess) return file + " has no version";
  int driver = 0;
  kigo::cuda::check(cudaDriverGetVersion(&driver), "asking for the driver's version");
  if (driver / 1000 < major) {
    return file + " is version " + std::to_string(major) + " and needs a newer driver: this one knows CUDA " +
           std::to_string(driver / 1000) + "." + std::to_string(driver % 1000 / 10);
  }
  l.description = "cuBLAS " + std::to_string(major) + "." + std::to_string(minor) + " (" + file + ")";
  return "";
}

/**
 * By name it is found in the folders of LD_LIBRARY_PATH, then in the one of the toolkit that Kigo was built with on
 * this machine (KIGO_CUDA_RUNPATH of cuda.cmake), then in the system's. What is there and cannot be used is said.
 */
Library load() {
  Library l;
  const char* wish = std::getenv("KIGO_GEMM");
  if (wish != nullptr && std::strcmp(wish, "own") == 0) {
    l.description = "KIGO_GEMM=own";
    return l;
  }
  l.description = "no cuBLAS found";
  for (const char* name : {"libcublas.so.13", "libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so.13",
                           "/usr/local/cuda/lib64/libcublas.so.12"}) {
    std::string problem;
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
      problem = bind_functions(library, l);
      l.is_here = problem.empty();
      if (l.is_here) return l;
      dlclose(library);
    } else {
      problem = dlerror();
      if (problem.rfind(std::string(name) + ": cannot open shared object file: No such file", 0) == 0) continue;
    }
    l.description = "cuBLAS cannot be used: " + problem;
  }
  return l;
}

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

/**
 * cuBLAS's numbers do not tell a lost GPU or missing memory from its own failures, so the GPU is asked. `stream` is
 * where it was at work.
 */
void check(int status, cudaStream_t stream, const char* doing) {
  if (status == kSuccess) return;
  kigo::cuda::check(cudaStreamSynchronize(stream), doing);
  size_t free = 0, total = 0;
  kigo::cuda::check(cudaMemGetInfo(&free, &total), doing);
  if (status == kAllocFailed || free < kLittleMemory) {
    throw Error(KIGO_OUT_OF_MEMORY, "cuBLAS found no memory while " + std::string(doing) + ": " +
                                        format_bytes(static_cast<double>(free)) + " are free on the GPU.");
  }
  throw Error(KIGO_INTERNAL, "cuBLAS failed (" + std::to_string(status) + ") while " + std::string(doing) +
                                 ". Kigo goes without it where KIGO_GEMM=own is set.");
}

int data_type(Number type) {
  switch (type) {
    case Number::f32: return kFloat32;
    case Number::f16: return kFloat16;
    case Number::bf16: return kBfloat16;
  }
  return kFloat32;
}

}  // namespace

bool Cublas::is_here() { return library().is_here; }

const std::string& Cublas::description() { return library().description; }

void Cublas::Close::operator()(void* handle) const {
  const std::lock_guard no_capture(capture_mutex);
  library().destroy(handle);
}

Cublas::Cublas() {
  Handle handle = nullptr;
  const int created = [&] {
    const std::lock_guard no_capture(capture_mutex);
    return library().create(&handle);
  }();
  check(created, stream_, "starting");
  handle_.reset(handle);
  // Parts of a sum meet in float32, not in the output's float16.
  check(library().set_math_mode(handle, kNoReducedPrecisionReduction), stream_, "setting its precision");
}

void Cublas::bind(cudaStream_t stream, void* workspace, size_t bytes) {
  stream_ = stream;
  check(library().set_stream(handle_.get(), stream), stream, "taking a stream");
  // Behind the stream, which resets it.
  check(library().set_workspace(handle_.get(), workspace, bytes), stream, "taking its memory");
}

void Cublas::multiply(const Product& p) {
  const float one = 1, start = p.accumulate ? 1 : 0;
  const auto n = [](int64_t value) { return static_cast<int>(value); };
  // Column-major, our rows are columns: yᵀ [n_out][n_rows] = w · xᵀ.
  check(library().gemm_ex(handle_.get(), kTransposed, kAsIs, n(p.n_out), n(p.n_rows), n(p.n_in), &one, p.w.data,
                          data_type(p.w.type), n(p.w.ld), p.x.data, data_type(p.x.type), n(p.x.ld), &start, p.y.data,
                          data_type(p.y.type), n(p.y.ld), kCompute32F, kDefaultAlgorithm),
        stream_, "multiplying matrices");
}

}  // namespace kigo::cuda
