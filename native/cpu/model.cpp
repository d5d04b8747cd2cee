#include "cpu/model.h"

#include <algorithm>
#include <map>

#include "core/requests.h"
#include "cpu/free_memory.h"
#include "cpu/kernels/dequantize.h"

namespace kigo::cpu {

namespace {

uint64_t matrix_bytes(const Description& d) {
  uint64_t vectors = 0;
  const auto vector = [&](const BoundVector& v) {
    vectors += static_cast<uint64_t>(v.n) * sizeof(float);
    return 0;
  };
  const auto matrix = [&](const BoundMatrix& m) { return vector(m.bias); };
  convert<int, int>(d.weights, matrix, vector);
  return d.weight_bytes() - vectors;
}

}  // namespace

void expect_runnable(const ModelConfig& config) {
  for (const LayerConfig& l : config.layers) {
    if (l.head_dim % 8 != 0 || l.head_dim < 8 || l.head_dim > 256) {
      throw Error(KIGO_UNSUPPORTED_ARCHITECTURE,
                  "The CPU engine runs heads of 8 to 256 values in steps of 8; this model's have " +
                      std::to_string(l.head_dim) + ".");
    }
  }
}

int thread_count(const kigo_model_options& options) {
  if (options.threads < 0 || options.threads > 1024) {
    throw Error(KIGO_INVALID_INPUT, "The number of threads must be 0 to 1024.");
  }
  return options.threads == 0 ? usable_physical_cores() : options.threads;
}

Model::Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load)
    : description_(read_description(desc, options)),
      precision_(options->exact != 0 ? Precision::exact : Precision::fast) {
  if (options->device != 0) throw Error(KIGO_DEVICE_UNAVAILABLE, "There is one CPU device, number 0.");
  expect_runnable(config());
  expect_free_memory(description_.weight_bytes(), "the model's weights");
  for (const FileIdentity& file : description_.files) files_.push_back(std::make_unique<MappedFile>(file));
  mapped_weights_ = Counted(tally_.weights, matrix_bytes(description_));
  prefault(load);
  point_weights();
  expect_weights_whole();

  rope_groups_ = rope_groups(config(), range());
  for (const int64_t layer : rope_groups_.representative) {
    ropes_.push_back(rope_frequencies(config().layers[static_cast<size_t>(layer)], weights_.rope_freqs));
  }
  const bool low_priority = options->low_priority != 0;
  if (low_priority) lower_thread_priority();
  n_threads_ = thread_count(*options);
  pool_ = std::make_unique<ThreadPool>(n_threads_, low_priority);
}

/** Brings the bound tensors into memory, in the order in which they lie in their files. */
void Model::prefault(const kigo_load* load) const {
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> ranges;  // (file, offset) -> bytes; a tied head is there once
  const auto matrix = [&](const BoundMatrix& m) {
    if (m) ranges[{m.tensor->file, m.offset()}] = m.bytes();
    return 0;
  };
  convert<int, int>(bound(), matrix, [](const BoundVector&) { return 0; });

  uint64_t total = 0, before = 0;
  for (const auto& [place, bytes] : ranges) total += bytes;
  const auto report = [&](uint64_t done) {
    if (load->progress != nullptr) load->progress(load->progress_context, done, total);
    poll_cancel(load->cancel);
  };
  report(0);
  for (const auto& [place, bytes] : ranges) {
    files_[place.first]->prefault(place.second, bytes, [&](uint64_t done) { report(before + done); });
    before += bytes;
  }
}

/** Matrices point into the mapped files; vectors are copied as float32, where the file's alignment and type do
 *  not matter any more. */
void Model::point_weights() {
  uint64_t bytes = 0;
  std::map<const Tensor*, uint64_t> place;  // byte offset; a fused bias is there once
  const auto plan_vector = [&](const BoundVector& v) {
    if (v && place.emplace(v.tensor, bytes).second) bytes += v.tensor->dims[0] * sizeof(float);
    return 0;
  };
  convert<int, int>(
      bound(), [&](const BoundMatrix& m) { return plan_vector(m.bias); }, plan_vector);
  vectors_ = Block(tally_.weights, bytes, "the model's vectors");

  for (const auto& [tensor, offset] : place) {
    dequantize_row(tensor->type, files_[tensor->file]->data() + tensor->offset, vectors_.at<float>(offset),
                   static_cast<int64_t>(tensor->dims[0]));
  }
  const auto vector = [&](const BoundVector& v) -> const float* {
    return v ? vectors_.at<float>(place[v.tensor]) + v.first : nullptr;
  };
  const auto matrix = [&](const BoundMatrix& m) -> Matrix {
    if (!m) return {};
    return {.type = m.tensor->type,
            .n_in = m.n_in,
            .n_out = m.n_out,
            .data = files_[m.tensor->file]->data() + m.offset(),
            .bias = vector(m.bias)};
  };
  weights_ = convert<Matrix, const float*>(bound(), matrix, vector);
}

void Model::expect_weights_whole() const {
  for (const auto& file : files_) file->expect_whole();
}

void Model::expect_files_unchanged() const {
  for (const auto& file : files_) file->expect_unchanged();
}

}  // namespace kigo::cpu
