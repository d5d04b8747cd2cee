/** A cuBLAS that computes nothing and fails as it is told, under the file names of two versions (CMakeLists.txt). */
#include "test/cublas/cublas.h"

#include <cstddef>

#define KIGO_EXPORT extern "C" __attribute__((visibility("default")))

KIGO_EXPORT kigo::test::FalseCublas false_cublas;
kigo::test::FalseCublas false_cublas = {KIGO_FALSE_CUBLAS_VERSION};

KIGO_EXPORT int cublasCreate_v2(void** handle) {
  if (false_cublas.create != 0) return false_cublas.create;
  ++false_cublas.n_open;
  *handle = &false_cublas;
  return 0;
}

KIGO_EXPORT int cublasDestroy_v2(void*) {
  --false_cublas.n_open;
  return 0;
}

KIGO_EXPORT int cublasSetStream_v2(void*, void*) {
  return false_cublas.set_stream != nullptr ? false_cublas.set_stream() : 0;
}

KIGO_EXPORT int cublasSetWorkspace_v2(void*, void*, size_t) { return 0; }
KIGO_EXPORT int cublasSetMathMode(void*, int) { return false_cublas.set_math_mode; }

KIGO_EXPORT int cublasGetProperty(int which, int* value) {
  *value = which == 0 ? false_cublas.version : 4;
  return 0;
}

KIGO_EXPORT int cublasGemmEx(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int,
                             const void*, void*, int, int, int, int) {
  if (false_cublas.on_multiply != nullptr) false_cublas.on_multiply();
  return false_cublas.multiply;
}
