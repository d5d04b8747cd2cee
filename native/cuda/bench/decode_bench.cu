/**
 * How fast a decode step runs, without a model file: random weights of a known shape in device memory.
 *
 *   decode_bench [MODEL...]            tokens/s at several depths, and each kind of kernel's time in the chain
 *   decode_bench --shapes [MODEL...]   searches the fastest launch shape of each product in the step
 *
 * MODEL: 0.5b-f16 0.5b-q8_0 0.5b-q4_k_m 8b-f16 8b-q8_0 8b-q4_k_m; none: all.
 */
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "cuda/decode.h"
#include "cuda/decode_attention.h"
#include "cuda/device.h"
#include "cuda/gemv_launch.cuh"
#include "cuda/packed.h"
#include "cuda/sampler.h"
#include "cuda/status.h"

using namespace kigo;
using namespace kigo::cuda;

namespace {

constexpr double kBandwidth = 4.46e12;  // bytes/s that an H200 reads

struct BenchModel {
  const char* name;
  int64_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_vocab;
  uint32_t type, v_type, v_type_half, down_type, down_type_half, output_type;  // _half: of every second layer
  bool biases;
};

const BenchModel kModels[] = {
    {"0.5b-f16", 896, 24, 14, 2, 64, 4864, 151936, kF16, kF16, kF16, kF16, kF16, kF16, true},
    {"0.5b-q8_0", 896, 24, 14, 2, 64, 4864, 151936, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0, true},
    {"0.5b-q4_k_m", 896, 24, 14, 2, 64, 4864, 151936, kQ5_0, kQ8_0, kQ5_0, kQ6_K, kQ4_K, kQ8_0, true},
    {"8b-q4_k_m", 4096, 32, 32, 8, 128, 14336, 128256, kQ4_K, kQ6_K, kQ4_K, kQ6_K, kQ4_K, kQ6_K, false},
    {"8b-q8_0", 4096, 32, 32, 8, 128, 14336, 128256, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0, kQ8_0, false},
    {"8b-f16", 4096, 32, 32, 8, 128, 14336, 128256, kF16, kF16, kF16, kF16, kF16, kF16, false},
};

/** Random bytes with the top exponent bits of every half cleared: small finite numbers in whatever field they land. */
__global__ void fill(uint32_t* words, uint64_t n, uint32_t seed) {
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < n;
       i += static_cast<uint64_t>(gridDim.x) * blockDim.x) {
    uint64_t h = (i + seed) * 0x9e3779b97f4a7c15;
    h ^= h >> 32;
    h *= 0xbf58476d1ce4e5b9;
    words[i] = static_cast<uint32_t>(h >> 32) & 0xa7ffa7ff;
  }
}

int row_records(const Gemv& gemv) { return row_shape(gemv.matrices[0].type, gemv.matrices[0].n_in).n_records; }

class Bench {
 public:
  Bench(const BenchModel& m, int64_t n_ctx) : model_(m), device_(device_traits(0)), gemm_(device_), n_ctx_(n_ctx) {
    LayerConfig l;
    l.n_head = m.n_head;
    l.n_head_kv = m.n_head_kv;
    l.head_dim = l.n_rot = m.head_dim;
    l.n_ff = m.n_ff;
    l.rope = Rope::neox;
    l.attn_scale = 1 / std::sqrt(static_cast<double>(m.head_dim));
    config_.n_embd = m.n_embd;
    config_.n_vocab = m.n_vocab;
    config_.norm_eps = 1e-5;
    config_.layers.assign(static_cast<size_t>(m.n_layer), l);
    rope_table_ = vector<float2>(n_ctx * m.head_dim / 2);
    for (int64_t i = 0; i < m.n_layer; ++i) add_layer(l, i % 2 != 0);
    weights_.output_norm = vector<float>(m.n_embd);
    weights_.output = matrix(m.output_type, m.n_embd, m.n_vocab, false);
    weights_.token_embd = weights_.output;
    Layout work;
    layout_ = layout_decode(config_, {0, m.n_layer}, device_, n_ctx, work);
    sampler_ = layout_sampler(m.n_vocab, work);
    workspace_ = vector<std::byte>(static_cast<int64_t>(work.total()));
    tokens_ = vector<int32_t>(n_ctx + 1);
    check(cudaMemset(tokens_, 0, static_cast<size_t>(n_ctx + 1) * 4), "filling tokens");
    state_ = vector<StepState>(1);
    logits_ = vector<float>(m.n_vocab);
    check(cudaMallocHost(&slots_, kRecordSlots * sizeof(RecordSlot)), "taking pinned memory");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
    check(cudaEventCreate(&begin_), "creating an event");
    check(cudaEventCreate(&end_), "creating an event");
    check(cudaDeviceSynchronize(), "filling memory");
    Context ctx = context();
    prepare_decode(ctx, step(n_ctx));
  }
  ~Bench() {
    check(cudaDeviceSynchronize(), "running");
    for (void* block : blocks_) forget(cudaFree(block));
    forget(cudaFreeHost(slots_));
  }

  Context context() { return {.device = device_, .stream = stream_, .gemm = gemm_}; }
  DecodeStep step(int64_t max_length) const {
    return {.config = config_,
            .weights = weights_,
            .range = {0, config_.n_layer()},
            .kv = kv_,
            .rope = rope_,
            .layout = layout_,
            .workspace = workspace_,
            .tokens = tokens_,
            .state = state_,
            .hidden_in = nullptr,
            .hidden_out = nullptr,
            .logits = logits_,
            .max_length = max_length};
  }

  SampleStep draw() const {
    return {.layout = sampler_,
            .workspace = workspace_,
            .logits = logits_,
            .n_vocab = model_.n_vocab,
            .tokens = tokens_,
            .state = state_,
            .slots = slots_};
  }

  /** Microseconds of what `enqueue` puts on the stream, as a graph: median of runs of `n` launches. */
  double time(int64_t depth, int n, const std::function<void(Context&)>& enqueue) {
    Context ctx = context();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capturing");
    enqueue(ctx);
    check(cudaStreamEndCapture(stream_, &graph), "capturing");
    check(cudaGraphInstantiate(&executable, graph, 0), "making a graph");
    std::vector<float> times;
    for (int run = 0; run < 7; ++run) {
      const StepState state = {.length = static_cast<int32_t>(depth), .n_drawn = 0, .not_finite = 0, .reserved = 0};
      check(cudaMemcpyAsync(state_, &state, sizeof state, cudaMemcpyHostToDevice, stream_), "setting the depth");
      check(cudaEventRecord(begin_, stream_), "timing");
      for (int i = 0; i < n; ++i) check(cudaGraphLaunch(executable, stream_), "launching");
      check(cudaEventRecord(end_, stream_), "timing");
      check(cudaEventSynchronize(end_), "running");
      float ms = 0;
      check(cudaEventElapsedTime(&ms, begin_, end_), "timing");
      times.push_back(ms * 1000 / static_cast<float>(n));
    }
    check(cudaGraphExecDestroy(executable), "freeing a graph");
    check(cudaGraphDestroy(graph), "freeing a graph");
    std::sort(times.begin() + 2, times.end());  // the first two warm up
    return static_cast<double>(times[4]);
  }

  void depths() {
    double bytes = 0;
    for (const auto& w : weights_.layers) {
      for (const Matrix* m : {&w.attn_q, &w.attn_k, &w.attn_v, &w.attn_output, &w.ffn_gate, &w.ffn_up, &w.ffn_down}) {
        bytes += static_cast<double>(m->n_out) * static_cast<double>(m->row_bytes);
      }
    }
    bytes += static_cast<double>(weights_.output.n_out) * static_cast<double>(weights_.output.row_bytes);
    std::printf("%s: %.2f GB a token, bound %.0f tokens/s\n", model_.name, bytes / 1e9, kBandwidth / bytes);
    for (const int64_t depth : {int64_t{0}, int64_t{128}, int64_t{440}, int64_t{4096}, int64_t{16384}}) {
      const int n = depth == 0 ? 128 : 64;
      if (depth + n > n_ctx_) continue;
      const int64_t bucket = decode_bucket(depth + n, n_ctx_);
      const double us = time(depth, n, [&](Context& ctx) { enqueue_decode(ctx, step(bucket)); });
      std::printf("  depth %5ld: %7.1f us = %6.0f tokens/s (%.0f%% of the bound)\n", static_cast<long>(depth), us,
                  1e6 / us, 100 * bytes / us * 1e6 / kBandwidth);
    }
    draws(1);
    draws(0);
  }

  /** A step and a draw: greedy, or with the usual cuts. */
  void draws(float temperature) {
    kigo_sampling sampling = {};
    sampling.temperature = temperature;
    sampling.top_k = 40;
    sampling.top_p = 0.95f;
    sampling.min_p = 0.05f;
    sampling.repeat_penalty = 1;
    Context ctx = context();
    set_sampling(ctx, draw(), sampling);
    const double us = time(0, 128, [&](Context& on) {
      enqueue_decode(on, step(512));
      enqueue_sample(on, draw(), sample_kind(sampling, model_.n_vocab));
    });
    std::printf("  with a draw at temperature %.0f: %7.1f us = %6.0f tokens/s\n", static_cast<double>(temperature), us,
                1e6 / us);
  }

  /** Each kind of kernel over all layers one behind another, so that weights come from memory and launches overlap. */
  void kernels() {
    const auto each = [&](const char* name, double bytes, const std::function<void(Context&, size_t)>& one) {
      const double us = time(100, 20,
                             [&](Context& ctx) {
                               for (size_t i = 0; i < weights_.layers.size(); ++i) one(ctx, i);
                             }) /
                        static_cast<double>(weights_.layers.size());
      std::printf("  %-12s %7.2f us  %3.0f%%\n", name, us, 100 * bytes / us * 1e6 / kBandwidth);
    };
    const auto bytes_of = [&](std::vector<const Matrix*> matrices) {
      double bytes = 0;
      for (const Matrix* m : matrices) bytes += static_cast<double>(m->n_out) * static_cast<double>(m->row_bytes);
      return bytes;
    };
    const auto& w0 = weights_.layers[0];
    each("qkv", bytes_of({&w0.attn_q, &w0.attn_k, &w0.attn_v}),
         [&](Context& ctx, size_t i) { enqueue_gemv(ctx, qkv(i)); });
    each("attention", 0, [&](Context& ctx, size_t i) { enqueue_decode_attention(ctx, attention(i, 512)); });
    each("output", bytes_of({&w0.attn_output}), [&](Context& ctx, size_t i) { enqueue_gemv(ctx, output(i)); });
    each("gate/up", bytes_of({&w0.ffn_gate, &w0.ffn_up}),
         [&](Context& ctx, size_t i) { enqueue_gemv(ctx, gate_up(i)); });
    each("down", (bytes_of({&w0.ffn_down}) + bytes_of({&weights_.layers[1].ffn_down})) / 2,
         [&](Context& ctx, size_t i) { enqueue_gemv(ctx, down(i)); });
    const double us = time(100, 20, [&](Context& ctx) { enqueue_gemv(ctx, head()); });
    std::printf("  %-12s %7.2f us  %3.0f%%\n", "head", us, 100 * bytes_of({&weights_.output}) / us * 1e6 / kBandwidth);
  }

  /** Searches a launch shape for one product after another, by the time of the whole step, and says the best ones. */
  void shapes() {
    std::map<std::string, GemvShape> chosen;  // where not the rule's
    const auto product = [&](Context& ctx, const char* name, const Gemv& gemv) {
      const auto at_name = chosen.find(name);
      const bool one_type = gemv.n_matrices < 3 || gemv.matrices[2].type == gemv.matrices[0].type;
      if (at_name == chosen.end() || !one_type) {
        enqueue_gemv(ctx, gemv);
      } else {
        enqueue_gemv(ctx, gemv, at_name->second);
      }
    };
    const auto measure = [&] {
      return time(100, 3, [&](Context& ctx) {
        for (size_t i = 0; i < weights_.layers.size(); ++i) {
          product(ctx, "qkv", qkv(i));
          enqueue_decode_attention(ctx, attention(i, 512));
          product(ctx, "output", output(i));
          product(ctx, "gate/up", gate_up(i));
          product(ctx, i % 2 == 0 ? "down" : "down of odd layers", down(i));
        }
        product(ctx, "head", head());
      });
    };
    std::printf("%s: rule %.1f us\n", model_.name, measure());
    const auto search = [&](const char* name, const Gemv& gemv) {
      struct Tried {
        GemvShape shape;
        double us;
      };
      std::vector<Tried> tried = {{gemv_shape(gemv, device_), measure()}};
      for (int kind = 0; kind < shape_kinds(gemv.matrices[0].type); ++kind) {
        const CompiledShape s = compiled_shape(gemv.matrices[0].type, kind);
        const int split_k = (row_records(gemv) + s.records - 1) / s.records;
        int last = 0;
        if (s.whole && gemv.matrices[0].n_in % (kRecord * s.records) != 0) continue;
        for (const int most : {8, 12, 14, 16, 20}) {
          const int warps = most / split_k * split_k;
          if (most > s.max_warps || warps == last || warps == 0) continue;
          last = warps;
          for (const int blocks : {device_.n_sm / 2, device_.n_sm, 2 * device_.n_sm, 4 * device_.n_sm}) {
            if (blocks > device_.n_sm) continue;
            chosen[name] = {.kind = kind, .warps = warps, .blocks = blocks};
            tried.push_back({chosen[name], measure()});
          }
        }
      }
      std::sort(tried.begin() + 1, tried.end(), [](const Tried& a, const Tried& b) { return a.us < b.us; });
      std::printf("  %s:", name);
      for (size_t i = 0; i < std::min<size_t>(tried.size(), 8); ++i) {
        const GemvShape& t = tried[i].shape;
        const CompiledShape c = compiled_shape(gemv.matrices[0].type, t.kind);
        std::printf("  %.1f <%d,%d,%d,%dw> %dw x%d%s", tried[i].us, c.rows, c.records, c.depth, c.max_warps, t.warps,
                    t.blocks, i == 0 ? " (rule)" : "");
      }
      std::printf("\n");
      std::fflush(stdout);
      chosen[name] = tried[1].us < tried[0].us ? tried[1].shape : tried[0].shape;
    };
    search("output", output(0));
    if (weights_.layers[1].attn_v.type == model_.type) search("qkv", qkv(1));
    search("gate/up", gate_up(0));
    search("down", down(0));
    search("down of odd layers", down(1));
    search("output", output(0));
    if (weights_.layers[1].attn_v.type == model_.type) search("qkv", qkv(1));
    search("head", head());
    std::printf("  all chosen: %.1f us\n", measure());
  }

  DecodeAttention attention(size_t i, int64_t max_length) const {
    return {.layer = config_.layers[0],
            .kv = kv_[i],
            .qkv = at(layout_.qkv),
            .eps = 1e-5f,
            .rope = rope_table_,
            .state = state_,
            .out = at(layout_.attn),
            .partials = at(layout_.partials),
            .partials_stride = static_cast<int64_t>(layout_.partials_stride),
            .meetings = reinterpret_cast<Meeting*>(workspace_ + layout_.meetings),
            .max_length = max_length};
  }
  Gemv qkv(size_t i) const {
    const auto& w = weights_.layers[i];
    return {.matrices = {w.attn_q, w.attn_k, w.attn_v},
            .n_matrices = 3,
            .x = at(layout_.x),
            .norm = w.attn_norm,
            .eps = 1e-5f,
            .y = at(layout_.qkv)};
  }
  Gemv output(size_t i) const {
    return {
        .matrices = {weights_.layers[i].attn_output}, .x = at(layout_.attn), .y = at(layout_.x), .accumulate = true};
  }
  Gemv gate_up(size_t i) const {
    const auto& w = weights_.layers[i];
    return {.matrices = {w.ffn_gate, w.ffn_up},
            .n_matrices = 2,
            .pair = true,
            .x = at(layout_.x),
            .norm = w.ffn_norm,
            .eps = 1e-5f,
            .y = at(layout_.hidden)};
  }
  Gemv down(size_t i) const {
    return {.matrices = {weights_.layers[i].ffn_down}, .x = at(layout_.hidden), .y = at(layout_.x), .accumulate = true};
  }
  Gemv head() const {
    return {
        .matrices = {weights_.output}, .x = at(layout_.x), .norm = weights_.output_norm, .eps = 1e-5f, .y = logits_};
  }

 private:
  void add_layer(const LayerConfig& l, bool odd) {
    const BenchModel& m = model_;
    auto& w = weights_.layers.emplace_back();
    w.attn_norm = vector<float>(m.n_embd);
    w.attn_q = matrix(m.type, m.n_embd, l.n_q(), m.biases);
    w.attn_k = matrix(m.type, m.n_embd, l.n_kv(), m.biases);
    w.attn_v = matrix(odd ? m.v_type_half : m.v_type, m.n_embd, l.n_kv(), m.biases);
    w.attn_q_norm = w.attn_k_norm = w.post_attention_norm = w.post_ffw_norm = nullptr;
    w.attn_output = matrix(m.type, l.n_q(), m.n_embd, false);
    w.ffn_norm = vector<float>(m.n_embd);
    w.ffn_gate = matrix(m.type, m.n_embd, m.n_ff, false);
    w.ffn_up = matrix(m.type, m.n_embd, m.n_ff, false);
    w.ffn_down = matrix(odd ? m.down_type_half : m.down_type, m.n_ff, m.n_embd, false);
    kv_.push_back(
        {.k = vector<uint16_t>(n_ctx_ * l.n_kv()), .v = vector<uint16_t>(n_ctx_ * l.n_kv()), .n_ctx = n_ctx_});
    rope_.push_back(rope_table_);
  }
  Matrix matrix(uint32_t type, int64_t n_in, int64_t n_out, bool bias) {
    const uint64_t row = packed_row_bytes(type, n_in);
    return {.type = type,
            .n_in = n_in,
            .n_out = n_out,
            .data = vector<uint8_t>(static_cast<int64_t>(row) * n_out),
            .row_bytes = row,
            .bias = bias ? vector<float>(n_out) : nullptr};
  }
  template <class T>
  T* vector(int64_t n) {
    void* data = nullptr;
    const size_t bytes = (static_cast<size_t>(n) * sizeof(T) + 255) / 256 * 256;
    check(cudaMalloc(&data, bytes), "taking memory");
    blocks_.push_back(data);
    fill<<<2048, 256>>>(static_cast<uint32_t*>(data), bytes / 4, static_cast<uint32_t>(blocks_.size() * 7919));
    check_launch("filling memory");
    return static_cast<T*>(data);
  }
  float* at(uint64_t offset) const { return reinterpret_cast<float*>(workspace_ + offset); }

  const BenchModel& model_;
  const DeviceTraits device_;
  Gemm gemm_;
  const int64_t n_ctx_;
  ModelConfig config_;
  CudaWeights weights_;
  std::vector<KvView> kv_;
  std::vector<const float2*> rope_;
  const float2* rope_table_ = nullptr;
  DecodeLayout layout_;
  SamplerLayout sampler_;
  RecordSlot* slots_ = nullptr;  // [kRecordSlots]
  std::byte* workspace_ = nullptr;
  int32_t* tokens_ = nullptr;
  StepState* state_ = nullptr;
  float* logits_ = nullptr;
  std::vector<void*> blocks_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) try {
  check(cudaSetDevice(0), "choosing the device");
  const bool shapes = argc > 1 && std::strcmp(argv[1], "--shapes") == 0;
  const int first = shapes ? 2 : 1;
  for (const BenchModel& model : kModels) {
    bool wanted = argc == first;
    for (int i = first; i < argc; ++i) wanted = wanted || std::strcmp(argv[i], model.name) == 0;
    if (!wanted) continue;
    Bench bench(model, 16384 + 256);
    if (shapes) {
      bench.shapes();
      continue;
    }
    bench.depths();
    bench.kernels();
    std::fflush(stdout);
  }
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
