/** Whole loads: what they leave behind, what they read, and how fast they are. */
#include <chrono>

#include "core/model_file.h"
#include "cuda/event.h"
#include "cuda/load.h"
#include "cuda/memory.h"
#include "cuda/model.h"
#include "cuda/packed.h"
#include "cuda/testing/testing.h"

using namespace kigo;
using namespace kigo::cuda;
using namespace kigo::cuda::testing;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

/** Loads and frees a model; bytes of ours that are still taken afterwards. */
KIGO_TEST_EXPORT kigo_status cuda_load_round(const kigo_model_desc* desc, const kigo_load* load, uint64_t* ours) {
  const kigo_status status = guarded([&] {
    kigo_model_options options = {};
    options.struct_size = sizeof options;
    const Model model(desc, &options, load);
  });
  *ours = DeviceBlock::bytes_in_use();
  return status;
}

/** A matrix of a loaded model, by layer and name, as float32 [n_out][n_in]; its bias [n_out] where it has one. */
KIGO_TEST_EXPORT kigo_status cuda_load_matrix(const kigo_model_desc* desc, int32_t layer, const char* name, float* out,
                                              float* bias) {
  return guarded([&] {
    kigo_model_options options = {};
    options.struct_size = sizeof options;
    const kigo_load quiet = {};
    const Model model(desc, &options, &quiet);
    const auto& weights = model.weights();
    const std::string wanted = name;
    const auto& l = weights.layers.at(static_cast<size_t>(layer));
    const Matrix& m = wanted == "token_embd" ? weights.token_embd
                      : wanted == "output"   ? weights.output
                      : wanted == "attn_q"   ? l.attn_q
                      : wanted == "attn_k"   ? l.attn_k
                      : wanted == "attn_v"   ? l.attn_v
                      : wanted == "ffn_gate" ? l.ffn_gate
                                             : l.ffn_down;
    const DeviceArray<float> values(static_cast<size_t>(m.n_out * m.n_in));
    dequantize_f32(model.stream(), m, 0, m.n_out, values.data());
    values.read(out);
    if (m.bias != nullptr && bias != nullptr) {
      check(cudaMemcpy(bias, m.bias, static_cast<size_t>(m.n_out) * sizeof(float), cudaMemcpyDeviceToHost),
            "reading a bias");
    }
  });
}

/** The float32 matrix [n_rows][n_in] that a file begins with, by way of a load. */
KIGO_TEST_EXPORT kigo_status cuda_load_rows(const kigo_file* file, int64_t n_rows, int64_t n_in, float* out) {
  return guarded([&] {
    const uint64_t packed = packed_row_bytes(kF32, n_in);
    const DeviceArray<uint8_t> rows(static_cast<size_t>(n_rows) * packed);
    const Transfer transfer = {.type = kF32,
                               .file = 0,
                               .offset = 0,
                               .n_rows = n_rows,
                               .n_in = n_in,
                               .row_bytes = static_cast<uint64_t>(n_in) * sizeof(float),
                               .to = reinterpret_cast<std::byte*>(rows.data()),
                               .is_vector = false};
    load_weights(test_device(), {{file->path, file->bytes, file->mtime_ms}}, {transfer}, {});
    const DeviceArray<float> values(static_cast<size_t>(n_rows * n_in));
    dequantize_f32(nullptr, {.type = kF32, .n_in = n_in, .n_out = n_rows, .data = rows.data(), .row_bytes = packed}, 0,
                   n_rows, values.data());
    values.read(out);
  });
}

/** Bytes a second of a whole load, and of reading the file and copying it 16 MiB by 16 MiB, one after the other. */
KIGO_TEST_EXPORT kigo_status cuda_load_speed(const kigo_model_desc* desc, double* load_rate, double* plain_rate,
                                             double* overlapped_rate) {
  return guarded([&] {
    constexpr uint64_t kPiece = 16 << 20;
    test_device();
    const FileIdentity identity = {desc->files[0].path, desc->files[0].bytes, desc->files[0].mtime_ms};
    const auto bytes = static_cast<double>(identity.bytes);
    const PinnedBlock host(2 * kPiece);
    const DeviceArray<uint8_t> device(2 * kPiece);
    const ModelFile file(identity);

    auto start = std::chrono::steady_clock::now();
    for (uint64_t at = 0; at < identity.bytes; at += kPiece) {
      const uint64_t n = std::min(kPiece, identity.bytes - at);
      file.read(at, n, host.at<void>(0));
      check(cudaMemcpy(device.data(), host.at<void>(0), n, cudaMemcpyHostToDevice), "copying");
    }
    *plain_rate = bytes / seconds_since(start);

    const Stream stream;
    Event copied[2];
    start = std::chrono::steady_clock::now();
    int turn = 0;
    for (uint64_t at = 0; at < identity.bytes; at += kPiece, turn = 1 - turn) {
      const uint64_t n = std::min(kPiece, identity.bytes - at);
      copied[turn].wait();
      file.read(at, n, host.at<uint8_t>(static_cast<uint64_t>(turn) * kPiece));
      check(cudaMemcpyAsync(device.data() + static_cast<uint64_t>(turn) * kPiece,
                            host.at<uint8_t>(static_cast<uint64_t>(turn) * kPiece), n, cudaMemcpyHostToDevice,
                            stream.get()),
            "copying");
      copied[turn].record(stream.get());
    }
    stream.wait();
    *overlapped_rate = bytes / seconds_since(start);

    kigo_model_options options = {};
    options.struct_size = sizeof options;
    const kigo_load quiet = {};
    start = std::chrono::steady_clock::now();
    const Model model(desc, &options, &quiet);
    *load_rate = bytes / seconds_since(start);
  });
}
