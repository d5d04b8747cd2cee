/** The CUDA twin behind the C ABI: what libkigo_cuda.so exports. */
#include <algorithm>
#include <string>

#include "core/backend_table.h"
#include "cuda/device.h"
#include "cuda/layout.h"
#include "cuda/model.h"
#include "cuda/session.h"

namespace kigo::cuda {

namespace {

/** What a session of this context needs, with what the driver takes to run it; the batch is no longer than it. */
uint64_t needed_bytes(const Model& model, const kigo_session_options& options, int32_t n_ctx) {
  const kigo_session_options smaller = {sizeof smaller, n_ctx, std::min(n_ctx, options.n_batch)};
  const SessionLayout layout =
      layout_session(model.config(), model.range(), model.precision(), model.device(), &smaller);
  return layout.kv_bytes + layout.workspace_bytes + driver_bytes(model.device());
}

/** The error in words that help: all that the session needs, and the longest context that there is room for. */
Error no_room(const Model& model, const kigo_session_options& options, const Error& error) {
  model.make_current();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's free memory");
  const uint64_t needed = needed_bytes(model, options, options.n_ctx);
  if (needed <= free) return error;  // it was other memory that was missing

  int32_t fits = 0, too_long = options.n_ctx;
  while (too_long - fits > 1) {
    const int32_t middle = fits + (too_long - fits) / 2;
    (needed_bytes(model, options, middle) <= free ? fits : too_long) = middle;
  }
  const std::string way_out = fits > 0 ? " There is room for a context of " + std::to_string(fits) + " tokens." : "";
  return Error(
      KIGO_OUT_OF_MEMORY,
      "The GPU has no room for a context of " + std::to_string(options.n_ctx) +
          " tokens: " + format_bytes(static_cast<double>(needed)) + " are needed with what its driver takes, " +
          format_bytes(static_cast<double>(free)) + " are free." + way_out,
      {{"neededBytes", needed}, {"freeBytes", free}, {"missingBytes", needed - free}, {"largestContext", fits}});
}

/** A session that says, where memory is short, which context would fit. */
class RoomySession : public Session {
 public:
  RoomySession(Model& model, const kigo_session_options* options) try : Session(model, options) {
  } catch (const Error& error) {
    if (error.status() != KIGO_OUT_OF_MEMORY) throw;
    throw no_room(model, *options, error);
  }
};

struct CudaBackend {
  static constexpr const char* name = "cuda";
  using Model = cuda::Model;
  using Session = RoomySession;

  static int32_t device_count() { return cuda::device_count(); }
  static kigo_device_info device_info(int32_t index) { return cuda::device_info(index); }

  static kigo_memory plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session) {
    const Description d = read_description(desc, options);
    const Precision precision = options->exact != 0 ? Precision::exact : Precision::fast;
    const DeviceTraits device = device_traits(options->device);
    expect_runnable(d, precision, device);
    const SessionLayout layout = layout_session(d.config, d.range, precision, device, session);
    return {layout_weights(d.weights).bytes, layout.kv_bytes, layout.workspace_bytes};
  }
};

}  // namespace

}  // namespace kigo::cuda

extern "C" __attribute__((visibility("default"))) const kigo_backend_api* kigo_backend() {
  return kigo::BackendTable<kigo::cuda::CudaBackend>::get();
}
