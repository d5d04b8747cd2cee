/** The fused kernels of a decode step, and the step itself. */
#include <algorithm>
#include <deque>

#include "cuda/decode.h"
#include "cuda/decode_attention.h"
#include "cuda/gemv.h"
#include "cuda/testing/decode.h"
#include "cuda/testing/testing.h"

namespace kigo::cuda::testing {

namespace {

/** Weights on the device, for as long as this lives. */
class DeviceWeights {
 public:
  explicit DeviceWeights(const HostWeights& host, const ModelConfig& config) {
    weights = convert<Matrix, const float*>(
        host, [&](const HostMatrix& m) { return matrix(m); },
        [&](const float* v) { return v == nullptr ? nullptr : vector(v, config); });
  }
  CudaWeights weights;

 private:
  Matrix matrix(const HostMatrix& m) {
    if (!m) return {};
    return matrices_.emplace_back(m.type, m.rows, m.n_in, m.n_out, m.bias).matrix();
  }
  /** Vectors of the longest length that any of a model's can have: tests give them so. */
  const float* vector(const float* v, const ModelConfig& config) {
    const auto n = static_cast<size_t>(std::max<int64_t>(config.n_embd, 256));
    return vectors_.emplace_back(v, n).data();
  }
  std::deque<DeviceMatrix> matrices_;
  std::deque<DeviceArray<float>> vectors_;
};

void run_gemv(const HostGemv& host) {
  TestContext ctx(Precision::fast);
  std::deque<DeviceMatrix> matrices;
  Gemv gemv;
  int64_t n_out = 0;
  for (int i = 0; i < host.n_matrices; ++i) {
    const HostMatrix& m = host.matrices[i];
    gemv.matrices[i] = matrices.emplace_back(m.type, m.rows, m.n_in, m.n_out, m.bias).matrix();
    n_out = host.pair ? m.n_out : n_out + m.n_out;
  }
  const auto n_in = static_cast<size_t>(host.matrices[0].n_in);
  const DeviceArray<float> x(host.x, n_in), y(host.y, static_cast<size_t>(n_out)), spare(static_cast<size_t>(n_out));
  const DeviceArray<float> norm(host.norm == nullptr ? host.x : host.norm, n_in);
  const DeviceArray<StepState> state(1);
  gemv.n_matrices = host.n_matrices;
  gemv.pair = host.pair;
  gemv.x = x.data();
  gemv.norm = host.norm == nullptr ? nullptr : norm.data();
  gemv.eps = 1e-5f;
  gemv.y = y.data();
  gemv.accumulate = host.accumulate;
  gemv.activation = host.activation;
  gemv.softcap = host.softcap;
  enqueue_gemv(ctx.get(), gemv, spare.data());
  y.read(host.y);
}

/** Whether kernels of split attention find nobody counted in, and all bits set in the half that comes next. */
bool can_meet(const std::vector<std::byte>& workspace, const DecodeLayout& at) {
  const auto* meetings = reinterpret_cast<const Meeting*>(workspace.data() + at.meetings);
  for (size_t group = 0; group < at.n_groups; ++group) {
    const uint64_t half = group * 2 + meetings[group].n_kernels % 2, bytes = at.partials_stride * sizeof(float);
    const std::byte* first = workspace.data() + at.partials + half * bytes;
    const bool clear = std::all_of(first, first + bytes, [](std::byte b) { return b == std::byte{0xff}; });
    if (meetings[group].n_arrived != 0 || !clear) return false;
  }
  return true;
}

void run_steps(HostStep& host) {
  TestContext lent(Precision::fast);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a test's stream");
  Context ctx = {.device = test_device(), .stream = stream, .gemm = lent.get().gemm};

  const ModelConfig& config = *host.config;
  const LayerConfig& l = config.layers[static_cast<size_t>(host.range.first)];
  const DeviceWeights weights(*host.weights, config);
  const auto of_layer = static_cast<size_t>(l.n_kv() * host.n_ctx), n_layers = static_cast<size_t>(host.range.count());
  const DeviceArray<uint16_t> k(host.k, of_layer * n_layers), v(host.v, of_layer * n_layers);
  const DeviceArray<float> rope(host.rope, static_cast<size_t>(host.n_ctx * l.n_rot));
  std::vector<KvView> kv;
  for (size_t i = 0; i < n_layers; ++i) {
    kv.push_back({.k = k.data() + i * of_layer, .v = v.data() + i * of_layer, .n_ctx = host.n_ctx});
  }
  const std::vector<const float2*> ropes(n_layers, reinterpret_cast<const float2*>(rope.data()));
  const std::vector<int32_t> tokens_host(static_cast<size_t>(host.n_ctx + 1), host.token);
  const DeviceArray<int32_t> tokens(tokens_host.data(), tokens_host.size());
  const StepState state_host = {.length = host.length, .n_drawn = 0, .not_finite = 0, .reserved = 0};
  const DeviceArray<StepState> state(&state_host, 1);
  const auto n_embd = static_cast<size_t>(config.n_embd);
  const DeviceArray<float> hidden_in =
      host.hidden_in == nullptr ? DeviceArray<float>(n_embd) : DeviceArray<float>(host.hidden_in, n_embd);
  const DeviceArray<float> hidden_out(n_embd), logits(static_cast<size_t>(config.n_vocab));
  Layout work;
  const DecodeLayout layout = layout_decode(config, host.range, test_device(), host.n_ctx, work);
  const DeviceArray<std::byte> workspace(work.total());

  const DecodeStep step = {.config = config,
                           .weights = weights.weights,
                           .range = host.range,
                           .kv = kv,
                           .rope = ropes,
                           .layout = layout,
                           .workspace = workspace.data(),
                           .tokens = tokens.data(),
                           .state = state.data(),
                           .hidden_in = hidden_in.data(),
                           .hidden_out = host.hidden_out == nullptr ? nullptr : hidden_out.data(),
                           .logits = host.logits == nullptr ? nullptr : logits.data(),
                           .max_length = host.max_length};
  check(cudaDeviceSynchronize(), "preparing a test");
  prepare_decode(ctx, step);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing a step");
  for (int i = 0; i < host.n_steps; ++i) enqueue_decode(ctx, step);
  check(cudaStreamEndCapture(stream, &graph), "capturing a step");
  check(cudaGraphInstantiate(&executable, graph, 0), "making a graph of a step");
  check(cudaGraphLaunch(executable, stream), "running a step");
  check(cudaStreamSynchronize(stream), "running a step");

  k.read(host.k);
  v.read(host.v);
  StepState after;
  state.read(&after);
  host.length_after = after.length;
  std::vector<std::byte> workspace_after(work.total());
  workspace.read(workspace_after.data());
  host.can_meet = can_meet(workspace_after, layout);
  if (host.hidden_out != nullptr) hidden_out.read(host.hidden_out);
  if (host.logits != nullptr) logits.read(host.logits);
  forget(cudaGraphExecDestroy(executable));
  forget(cudaGraphDestroy(graph));
  forget(cudaStreamDestroy(stream));
}

}  // namespace

}  // namespace kigo::cuda::testing

KIGO_TEST_EXPORT kigo_status cuda_gemv(const kigo::cuda::testing::HostGemv* gemv) {
  return kigo::guarded([&] { kigo::cuda::testing::run_gemv(*gemv); });
}

KIGO_TEST_EXPORT kigo_status cuda_decode_steps(kigo::cuda::testing::HostStep* step) {
  return kigo::guarded([&] { kigo::cuda::testing::run_steps(*step); });
}
