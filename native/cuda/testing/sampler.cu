/** The sampler by itself, as an operation, in a row of draws, and behind a stand-in for the step of decoding. */
#include <algorithm>

#include "core/ops.h"
#include "cuda/event.h"
#include "cuda/launch.cuh"
#include "cuda/memory.h"
#include "cuda/sampler.h"
#include "cuda/testing/testing.h"

namespace kigo::cuda {

namespace {

using testing::DeviceArray;

__global__ void set_state(StepState* state, int32_t length) { *state = {.length = length}; }

/** Instead of a step: the token at `length` chooses a row of logits. */
__global__ void look_up_logits(const float* rows, int64_t n_rows, int64_t n_vocab, float* logits, const int32_t* tokens,
                               const StepState* state) {
  allow_dependents();
  await_dependency();
  const float* row = rows + tokens[state->length] % n_rows * n_vocab;
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_vocab; i += gridDim.x * blockDim.x) logits[i] = row[i];
}

__global__ void append(StepState* state) {
  allow_dependents();
  await_dependency();
  ++state->length;
}

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  ~Stream() { forget(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/** A sampler with rows of logits and a history, on a stream of its own. */
class Bench {
 public:
  Bench(const float* rows, int64_t n_rows, int64_t n_vocab, const int32_t* history, int64_t n_history, int64_t n_draws,
        const kigo_sampling& sampling)
      : context_(Precision::fast),
        n_rows_(n_rows),
        n_vocab_(n_vocab),
        kind_(sample_kind(sampling, n_vocab)),
        layout_(layout_sampler(n_vocab, work_)),
        workspace_(work_.total()),
        rows_(rows, static_cast<size_t>(n_rows * n_vocab)),
        logits_(rows, static_cast<size_t>(n_vocab)),
        tokens_(static_cast<size_t>(n_history + n_draws + 1)),
        state_(1),
        slots_(kRecordSlots * sizeof(RecordSlot)) {
    check(cudaMemcpy(tokens_.data(), history, static_cast<size_t>(n_history) * sizeof(int32_t), cudaMemcpyHostToDevice),
          "copying a history");
    check(cudaDeviceSynchronize(), "preparing draws");
    context().stream = stream_.get();
    set_sampling(context(), step(), sampling);
  }

  Context& context() { return context_.get(); }
  cudaStream_t stream() const { return stream_.get(); }
  const RecordSlot& slot(int64_t draw) const { return slots_.at<RecordSlot>(0)[draw % kRecordSlots]; }
  const DeviceArray<int32_t>& tokens() const { return tokens_; }

  SampleStep step(int64_t position_offset = 0) {
    return {.layout = layout_,
            .workspace = workspace_.data(),
            .logits = logits_.data(),
            .n_vocab = n_vocab_,
            .tokens = tokens_.data(),
            .state = state_.data(),
            .slots = slots_.at<RecordSlot>(0),
            .position_offset = position_offset};
  }

  void start_at(int64_t length) {
    set_state<<<1, 1, 0, stream()>>>(state_.data(), static_cast<int32_t>(length));
    check_launch("starting draws");
  }
  void enqueue_step() {
    launch(context(), "choosing logits", look_up_logits, context().device.n_sm, 256, 0, rows_.data(), n_rows_, n_vocab_,
           logits_.data(), tokens_.data(), state_.data());
    launch(context(), "appending a token", append, 1, 1, 0, state_.data());
  }
  void enqueue_draw(int64_t position_offset = 0) { enqueue_sample(context(), step(position_offset), kind_); }
  void wait() { check(cudaStreamSynchronize(stream()), "drawing"); }

 private:
  testing::TestContext context_;
  Stream stream_;
  int64_t n_rows_, n_vocab_;
  SampleKind kind_;
  Layout work_;
  SamplerLayout layout_;
  DeviceArray<std::byte> workspace_;
  DeviceArray<float> rows_, logits_;
  DeviceArray<int32_t> tokens_;
  DeviceArray<StepState> state_;
  PinnedBlock slots_;
};

/** Median microseconds of what `enqueue` puts into a graph. */
template <class Enqueue>
double time_graph(cudaStream_t stream, Enqueue&& enqueue) {
  const Graph graph(stream, enqueue);
  cudaEvent_t start = nullptr, end = nullptr;
  check(cudaEventCreate(&start), "making an event");
  check(cudaEventCreate(&end), "making an event");
  std::vector<float> times;
  for (int i = 0; i < 23; ++i) {
    check(cudaEventRecord(start, stream), "timing");
    graph.launch(stream);
    check(cudaEventRecord(end, stream), "timing");
    check(cudaEventSynchronize(end), "timing");
    check(cudaEventElapsedTime(&times.emplace_back(), start, end), "timing");
  }
  forget(cudaEventDestroy(start));
  forget(cudaEventDestroy(end));
  std::sort(times.begin() + 3, times.end());  // the first ones warm up
  return static_cast<double>(times[3 + 10]) * 1000;
}

}  // namespace

}  // namespace kigo::cuda

using namespace kigo;
using namespace kigo::cuda;

KIGO_TEST_EXPORT kigo_status cuda_sample(kigo_token_record* record, const float* logits, int64_t n_vocab,
                                         const int32_t* history, int64_t n_history, int64_t position,
                                         const kigo_sampling* sampling) {
  return guarded([&] {
    testing::TestContext context(Precision::fast);
    const testing::DeviceArray<float> l(logits, static_cast<size_t>(n_vocab));
    const testing::DeviceArray<int32_t> h(history, static_cast<size_t>(n_history));
    const testing::DeviceArray<kigo_token_record> r(1);
    const testing::DeviceArray<std::byte> scratch(sample_scratch_bytes(n_vocab, n_history));
    sample(context.get(), r.data(), l.data(), n_vocab, h.data(), n_history, position, *sampling, scratch.data());
    r.read(record);
  });
}

/** n_draws draws from the same logits behind the same history, at positions n_history, n_history + 1, … */
KIGO_TEST_EXPORT kigo_status cuda_sample_again(kigo_token_record* records, int64_t n_draws, const float* logits,
                                               int64_t n_vocab, const int32_t* history, int64_t n_history,
                                               const kigo_sampling* sampling) {
  return guarded([&] {
    Bench bench(logits, 1, n_vocab, history, n_history, 1, *sampling);
    bench.start_at(n_history);
    const testing::DeviceArray<kigo_token_record> r(static_cast<size_t>(n_draws));
    for (int64_t i = 0; i < n_draws; ++i) {
      bench.enqueue_draw(i);
      check(cudaMemcpyAsync(r.data() + i, &bench.slot(i).record, sizeof *records, cudaMemcpyDefault, bench.stream()),
            "keeping a record");
    }
    bench.wait();
    r.read(records);
  });
}

/**
 * n_draws draws by a captured graph: a step that takes row (last token) % n_rows of the logits [n_rows][n_vocab], then
 * the draw. history has one token or more; tokens_out [n_history + n_draws]; slots [n_draws].
 */
KIGO_TEST_EXPORT kigo_status cuda_sample_run(RecordSlot* slots, int32_t* tokens_out, int64_t n_draws, const float* rows,
                                             int64_t n_rows, int64_t n_vocab, const int32_t* history, int64_t n_history,
                                             const kigo_sampling* sampling) {
  return guarded([&] {
    Bench bench(rows, n_rows, n_vocab, history, n_history, n_draws, *sampling);
    bench.start_at(n_history - 1);
    const Graph graph(bench.stream(), [&] {
      bench.enqueue_step();
      bench.enqueue_draw();
    });
    for (int64_t i = 0; i < n_draws; ++i) {
      graph.launch(bench.stream());
      if (i % kRecordSlots < kRecordSlots - 1 && i + 1 < n_draws) continue;
      bench.wait();  // the ring is full: as many steps were launched ahead as it takes
      for (int64_t j = i / kRecordSlots * kRecordSlots; j <= i; ++j) slots[j] = bench.slot(j);
    }
    std::vector<int32_t> tokens(bench.tokens().size());
    bench.tokens().read(tokens.data());
    std::copy_n(tokens.begin(), n_history + n_draws, tokens_out);
  });
}

/** What a draw adds to a step, in microseconds, within a graph of 64 steps. */
KIGO_TEST_EXPORT kigo_status cuda_sample_time(double* microseconds, const float* logits, int64_t n_vocab,
                                              const int32_t* history, int64_t n_history,
                                              const kigo_sampling* sampling) {
  return guarded([&] {
    constexpr int kSteps = 64, kLaunches = 23;
    Bench bench(logits, 1, n_vocab, history, n_history, 2 * kSteps * kLaunches, *sampling);
    bench.start_at(n_history - 1);
    const double with = time_graph(bench.stream(), [&] {
      for (int i = 0; i < kSteps; ++i) {
        bench.enqueue_step();
        bench.enqueue_draw();
      }
    });
    const double without = time_graph(bench.stream(), [&] {
      for (int i = 0; i < kSteps; ++i) bench.enqueue_step();
    });
    *microseconds = (with - without) / kSteps;
  });
}
