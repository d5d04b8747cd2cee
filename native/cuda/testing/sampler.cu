/** The sampler by itself, as an operation, in a row of draws, and behind a stand-in for the step of decoding. */
#include <algorithm>

#include "core/ops.h"
#include "cuda/event.h"
#include "cuda/memory.h"
#include "cuda/pdl.cuh"
#include "cuda/sampler.h"
#include "cuda/stream.h"
#include "cuda/testing/testing.h"

namespace kigo::cuda {

namespace {

__global__ void set_state(StepState* state, int32_t length) { *state = {.length = length}; }

/** Instead of a step: the token at `length`, and how many there are, choose a row of logits. */
__global__ void look_up_logits(const float* rows, int64_t n_rows, int64_t n_vocab, float* logits, const int32_t* tokens,
                               const StepState* state) {
  release_consumer();
  wait_for_producer();
  const float* row = rows + (tokens[state->length] + state->length) % n_rows * n_vocab;
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_vocab; i += gridDim.x * blockDim.x) logits[i] = row[i];
}

__global__ void append(StepState* state) {
  release_consumer();
  wait_for_producer();
  ++state->length;
}

/** What stays from test to test, since thousands of draws are tested and memory is slow to get. */
struct Shared {
  testing::TestContext test{Precision::fast};
  Context context = test.get();
  Stream stream;
  PinnedBlock slots{kRecordSlots * sizeof(RecordSlot)};

  Shared() { context.stream = stream.get(); }
  static Shared& get() {
    static Shared* const shared = new Shared;
    return *shared;
  }
};

/** Pieces of the test context's memory, poisoned. */
class Pieces {
 public:
  explicit Pieces(const Context& ctx) : ctx_(ctx) {
    check(cudaMemsetAsync(ctx.scratch, 0xff, ctx.scratch_bytes, ctx.stream), "poisoning memory of a test");
  }
  std::byte* take(uint64_t bytes) {
    std::byte* piece = ctx_.scratch + layout_.add<std::byte>(bytes);
    if (layout_.total() > ctx_.scratch_bytes) throw Error(KIGO_INVALID_INPUT, "The test is larger than its memory.");
    return piece;
  }
  template <class T>
  T* take(const T* host, int64_t n) {
    const uint64_t bytes = static_cast<uint64_t>(n) * sizeof(T);
    std::byte* piece = take(bytes);
    if (host != nullptr) {
      check(cudaMemcpyAsync(piece, host, bytes, cudaMemcpyHostToDevice, ctx_.stream), "copying to the device");
    }
    return reinterpret_cast<T*>(piece);
  }

 private:
  const Context& ctx_;
  Layout layout_;
};

void wait_for(const Context& ctx) { check(cudaStreamSynchronize(ctx.stream), "drawing"); }

/** A sampler with rows of logits and a history. */
class Bench {
 public:
  Bench(const float* rows, int64_t n_rows, int64_t n_vocab, const int32_t* history, int64_t n_history, int64_t n_draws,
        const kigo_sampling& sampling)
      : ctx_(Shared::get().context),
        pieces_(ctx_),
        n_rows_(n_rows),
        kind_(sample_kind(sampling, n_vocab)),
        layout_(layout_sampler(n_vocab, work_)),
        rows_(pieces_.take(rows, n_rows * n_vocab)),
        step_{.layout = layout_,
              .workspace = pieces_.take(work_.total()),
              .logits = pieces_.take(rows, n_vocab),
              .n_vocab = n_vocab,
              .tokens = pieces_.take<int32_t>(nullptr, n_history + n_draws + 1),
              .state = pieces_.take<StepState>(nullptr, 1),
              .slots = Shared::get().slots.at<RecordSlot>(0)} {
    check(cudaMemcpyAsync(step_.tokens, history, static_cast<size_t>(n_history) * sizeof(int32_t),
                          cudaMemcpyHostToDevice, stream()),
          "copying a history");
    set_sampling(ctx_, step_, sampling);
  }

  const Context& context() const { return ctx_; }
  cudaStream_t stream() const { return ctx_.stream; }
  const RecordSlot& slot(int64_t draw) const { return step_.slots[draw % kRecordSlots]; }
  const int32_t* tokens() const { return step_.tokens; }
  Pieces& pieces() { return pieces_; }

  void start_at(int64_t length) {
    set_state<<<1, 1, 0, stream()>>>(step_.state, static_cast<int32_t>(length));
    check_launch("starting draws");
  }
  void enqueue_step() {
    launch_early(ctx_.device, ctx_.stream, "choosing logits", look_up_logits, static_cast<unsigned>(ctx_.device.n_sm),
                 256, 0, rows_, n_rows_, step_.n_vocab, const_cast<float*>(step_.logits), step_.tokens, step_.state);
    launch_early(ctx_.device, ctx_.stream, "appending a token", append, 1, 1, 0, step_.state);
  }
  void enqueue_draw(int64_t position_offset = 0) {
    step_.position_offset = position_offset;
    enqueue_sample(ctx_, step_, kind_);
  }

 private:
  Context& ctx_;
  Pieces pieces_;
  int64_t n_rows_;
  SampleKind kind_;
  Layout work_;
  SamplerLayout layout_;
  const float* rows_;
  SampleStep step_;
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

/** Draws from the same logits, each with settings, a position and a history [n_history[i]] of its own. */
KIGO_TEST_EXPORT kigo_status cuda_sample(kigo_token_record* records, int64_t n_draws, const float* logits,
                                         int64_t n_vocab, const int32_t* const* histories, const int64_t* n_history,
                                         const int64_t* positions, const kigo_sampling* samplings) {
  return guarded([&] {
    Context& ctx = Shared::get().context;
    const int64_t longest = *std::max_element(n_history, n_history + n_draws);
    Pieces pieces(ctx);
    float* l = pieces.take(logits, n_vocab);
    int32_t* history = pieces.take<int32_t>(nullptr, longest);
    kigo_token_record* record = pieces.take<kigo_token_record>(nullptr, 1);
    std::byte* scratch = pieces.take(sample_scratch_bytes(n_vocab, longest));
    for (int64_t i = 0; i < n_draws; ++i) {
      check(cudaMemcpyAsync(history, histories[i], static_cast<size_t>(n_history[i]) * sizeof(int32_t),
                            cudaMemcpyHostToDevice, ctx.stream),
            "copying a history");
      check(cudaMemsetAsync(record, 0xff, sizeof *record, ctx.stream), "poisoning memory of a test");
      sample(ctx, record, l, n_vocab, history, n_history[i], positions[i], samplings[i], scratch);
      check(cudaMemcpyAsync(&records[i], record, sizeof *record, cudaMemcpyDeviceToHost, ctx.stream),
            "reading a record");
    }
    wait_for(ctx);
  });
}

/** n_draws draws from the same logits behind the same history, at positions n_history, n_history + 1, … */
KIGO_TEST_EXPORT kigo_status cuda_sample_again(kigo_token_record* records, int64_t n_draws, const float* logits,
                                               int64_t n_vocab, const int32_t* history, int64_t n_history,
                                               const kigo_sampling* sampling) {
  return guarded([&] {
    Bench bench(logits, 1, n_vocab, history, n_history, 1, *sampling);
    kigo_token_record* kept = bench.pieces().take<kigo_token_record>(nullptr, n_draws);
    bench.start_at(n_history);
    for (int64_t i = 0; i < n_draws; ++i) {
      bench.enqueue_draw(i);
      check(cudaMemcpyAsync(&kept[i], &bench.slot(i).record, sizeof *records, cudaMemcpyDefault, bench.stream()),
            "keeping a record");
    }
    check(cudaMemcpyAsync(records, kept, static_cast<size_t>(n_draws) * sizeof *records, cudaMemcpyDeviceToHost,
                          bench.stream()),
          "reading records");
    wait_for(bench.context());
  });
}

/**
 * n_draws draws by a captured graph: a step that takes row (last token + its position) % n_rows of the logits
 * [n_rows][n_vocab], then the draw. history has one token or more; tokens_out [n_history + n_draws]; slots [n_draws].
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
      wait_for(bench.context());  // the ring is full: as many steps were launched ahead as it takes
      for (int64_t j = i / kRecordSlots * kRecordSlots; j <= i; ++j) slots[j] = bench.slot(j);
    }
    check(cudaMemcpyAsync(tokens_out, bench.tokens(), static_cast<size_t>(n_history + n_draws) * sizeof(int32_t),
                          cudaMemcpyDeviceToHost, bench.stream()),
          "reading tokens");
    wait_for(bench.context());
  });
}

/** What a draw adds to a step, in microseconds, within a graph of 32 steps. */
KIGO_TEST_EXPORT kigo_status cuda_sample_time(double* microseconds, const float* logits, int64_t n_vocab,
                                              const int32_t* history, int64_t n_history,
                                              const kigo_sampling* sampling) {
  return guarded([&] {
    constexpr int kSteps = 32, kLaunches = 23;
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
