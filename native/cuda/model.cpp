#include "cuda/model.h"

#include "cuda/decode.h"
#include "cuda/device.h"
#include "cuda/layout.h"
#include "cuda/load.h"
#include "cuda/packed.h"

namespace kigo::cuda {

namespace {

DeviceTraits take_device(int32_t index, const Description& description, Precision precision) {
  const DeviceTraits device = device_traits(index);
  expect_runnable(description, precision, device);
  make_current(device);
  return device;
}

/** Each weight's address in the block. */
CudaWeights point_weights(const WeightsLayout& layout, const DeviceBlock& block) {
  const auto vector = [&](const PlacedVector& v) -> const float* { return v.from ? block.at<float>(v.at) : nullptr; };
  const auto matrix = [&](const PlacedMatrix& m) -> Matrix {
    if (!m.from) return {};
    return {.type = m.from.tensor->type,
            .n_in = m.from.n_in,
            .n_out = m.from.n_out,
            .data = block.at<uint8_t>(m.at),
            .row_bytes = packed_row_bytes(m.from.tensor->type, m.from.n_in),
            .bias = vector(m.bias)};
  };
  return convert<Matrix, const float*>(layout.weights, matrix, vector);
}

/** What has to come from the files, each part once. */
std::vector<Transfer> transfers(const WeightsLayout& layout, const DeviceBlock& block) {
  std::vector<Transfer> all;
  const auto vector = [&](const PlacedVector& v) {
    if (!v.from) return 0;
    const Tensor& tensor = *v.from.tensor;
    const uint64_t value_bytes = find_type(tensor.type)->block_bytes;  // vectors are never quantised
    all.push_back({.type = tensor.type,
                   .file = tensor.file,
                   .offset = tensor.offset + static_cast<uint64_t>(v.from.first) * value_bytes,
                   .n_rows = v.from.n,
                   .n_in = 1,
                   .row_bytes = value_bytes,
                   .to = block.at<std::byte>(v.at),
                   .is_vector = true});
    return 0;
  };
  const auto matrix = [&](const PlacedMatrix& m) {
    vector(m.bias);
    if (!m.from || m.is_again) return 0;
    all.push_back({.type = m.from.tensor->type,
                   .file = m.from.tensor->file,
                   .offset = m.from.offset(),
                   .n_rows = m.from.n_out,
                   .n_in = m.from.n_in,
                   .row_bytes = m.from.row_bytes(),
                   .to = block.at<std::byte>(m.at),
                   .is_vector = false});
    return 0;
  };
  convert<int, int>(layout.weights, matrix, vector);
  return all;
}

}  // namespace

void expect_runnable(const Description& description, Precision precision, const DeviceTraits& device) {
  for (const LayerConfig& l : description.config.layers) {
    if (l.head_dim % 8 != 0 || l.head_dim < 8 || l.head_dim > 256) {
      throw Error(KIGO_UNSUPPORTED_ARCHITECTURE,
                  "The GPU engine runs heads of 8 to 256 values in steps of 8; this model's have " +
                      std::to_string(l.head_dim) + ".");
    }
  }
  if (precision == Precision::fast) expect_decodable(description.weights, device);
}

Model::Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load)
    : description_(read_description(desc, options)),
      precision_(options->exact != 0 ? Precision::exact : Precision::fast),
      device_(take_device(options->device, description_, precision_)),
      gemm_(device_) {
  const WeightsLayout layout = layout_weights(bound());
  block_ = DeviceBlock(tally_.weights, layout.bytes, "the model's weights");
  load_weights(device_, description_.files, transfers(layout, block_), *load);
  weights_ = point_weights(layout, block_);

  std::vector<float> rope_freqs(static_cast<size_t>(bound().rope_freqs.n));
  check(cudaMemcpy(rope_freqs.data(), weights_.rope_freqs, rope_freqs.size() * sizeof(float), cudaMemcpyDeviceToHost),
        "reading the rope's factors back");
  for (int64_t i = range().first; i < range().last; ++i) {
    ropes_.push_back(
        rope_frequencies(config().layers[static_cast<size_t>(i)], rope_freqs.empty() ? nullptr : rope_freqs.data()));
  }
}

Model::~Model() { forget(cudaSetDevice(device_.index)); }

void Model::make_current() const { cuda::make_current(device_); }

}  // namespace kigo::cuda
