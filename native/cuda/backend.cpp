/** The CUDA twin behind the C ABI: what libkigo_cuda.so exports. */
#include "core/backend_table.h"
#include "cuda/device.h"
#include "cuda/layout.h"
#include "cuda/model.h"
#include "cuda/session.h"

namespace kigo::cuda {

namespace {

struct CudaBackend {
  static constexpr const char* name = "cuda";
  using Model = cuda::Model;
  using Session = cuda::Session;

  static int32_t device_count() { return cuda::device_count(); }
  static kigo_device_info device_info(int32_t index) { return cuda::device_info(index); }

  static kigo_memory plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session) {
    const Description d = read_description(desc, options);
    expect_runnable(d.config);
    const Precision precision = options->exact != 0 ? Precision::exact : Precision::fast;
    const SessionLayout layout = layout_session(d.config, d.range, precision, device_traits(options->device), session);
    return {layout_weights(d.weights).bytes, layout.kv_bytes, layout.workspace_bytes};
  }
};

}  // namespace

}  // namespace kigo::cuda

extern "C" __attribute__((visibility("default"))) const kigo_backend_api* kigo_backend() {
  return kigo::BackendTable<kigo::cuda::CudaBackend>::get();
}
