/// Times the kernels by themselves: the matrices of one token and of a prompt for the shapes of two real models,
/// attention, and the fork and join of the pool. The least of several runs, since machines are shared.
///   kernels_bench [threads]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "attention.h"
#include "isa.h"
#include "matmul.h"
#include "vector.h"

using namespace kigo::cpu;

namespace {

/// Seconds of the fastest of `runs` calls.
template <class Body>
double fastest(int runs, Body body) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

struct Shape {
  uint32_t type;
  int64_t n_in, n_out;
};

struct Model {
  const char* name;
  int n_layer;
  std::vector<std::vector<Shape>> calls;  // of a layer; the matrices of one call share their activations
  Shape head;
};

const Model kModels[] = {
    {"SmolLM2-135M Q4_1",
     30,
     {{{Q4_1, 576, 576}, {Q4_1, 576, 192}, {Q4_1, 576, 192}},
      {{Q4_1, 576, 576}},
      {{Q4_1, 576, 1536}, {Q4_1, 576, 1536}},
      {{Q4_1, 1536, 576}}},
     {Q8_0, 576, 49152}},
    {"Gemma-3-270M Q4_K_M",
     18,
     {{{Q5_0, 640, 1024}, {Q5_0, 640, 256}, {Q8_0, 640, 256}},
      {{Q4_K, 1024, 640}},
      {{Q5_0, 640, 2048}, {Q5_0, 640, 2048}},
      {{Q6_K, 2048, 640}}},
     {Q8_0, 640, 262144}},
};

struct Memory {
  explicit Memory(size_t bytes)
      : data(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), std::free) {}
  std::unique_ptr<std::byte, void (*)(void*)> data;
};

/// Weights of a whole model, one behind the other as in a file, of values that are all numbers.
class Weights {
 public:
  explicit Weights(const Model& model) : model_(model) {
    size_t bytes = size_of(model.head);
    for (const auto& call : model.calls) {
      for (const Shape& shape : call) bytes += size_of(shape) * static_cast<size_t>(model.n_layer);
    }
    data_.assign(bytes, 0x11);
    uint8_t* at = data_.data();
    for (int layer = 0; layer < model.n_layer; ++layer) {
      for (const auto& call : model.calls) {
        for (const Shape& shape : call) add(shape, at);
      }
    }
    add(model.head, at);
  }

  size_t bytes() const { return data_.size(); }

  /// All matrices of the model; the head for the last token alone.
  void multiply(ThreadPool& pool, const float* x, float* y, int64_t n_tokens, Scratch scratch, bool with_head) const {
    size_t next = 0;
    MatmulJob jobs[4];
    for (int layer = 0; layer < model_.n_layer; ++layer) {
      for (const auto& call : model_.calls) {
        size_t n = 0;
        for (const Shape& shape : call) jobs[n++] = {&matrices_[next++], y, shape.n_out, false};
        matmul(pool, {jobs, n}, x, n_tokens, scratch, Precision::fast);
      }
    }
    jobs[0] = {&matrices_[next], y, model_.head.n_out, false};
    if (with_head) matmul(pool, {jobs, 1}, x, 1, scratch, Precision::fast);
  }

 private:
  static size_t size_of(const Shape& shape) {
    return static_cast<size_t>(row_bytes(shape.type, shape.n_in) * shape.n_out);
  }
  void add(const Shape& shape, uint8_t*& at) {
    matrices_.push_back({shape.type, shape.n_in, shape.n_out, at});
    at += size_of(shape);
  }

  const Model& model_;
  std::vector<uint8_t> data_;
  std::vector<Matrix> matrices_;
};

void bench_model(ThreadPool& pool, const Model& model) {
  const Weights weights(model);
  const int64_t widest = 2048, n_prompt = 512;
  std::vector<float> x(static_cast<size_t>(n_prompt * widest)),
      y(static_cast<size_t>(std::max(n_prompt * widest, model.head.n_out)));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7919 % 2001) - 1000) * 1e-3f;
  const size_t scratch_bytes = matmul_scratch_bytes(widest, n_prompt, pool.size());
  const Memory memory(scratch_bytes);
  const Scratch scratch{memory.data.get(), scratch_bytes};
  for (int64_t n : {1, 2, 4, 8, 16, 32, 128, 512}) {
    const double seconds =
        fastest(n < 64 ? 10 : 2, [&] { weights.multiply(pool, x.data(), y.data(), n, scratch, n < 64); });
    std::printf("%s: %4lld tokens %8.2f ms %8.1f tokens/s %6.1f GB/s%s\n", model.name, static_cast<long long>(n),
                seconds * 1e3, static_cast<double>(n) / seconds, static_cast<double>(weights.bytes()) / seconds * 1e-9,
                n < 64 ? "" : " (no head)");
  }
}

void bench_types(ThreadPool& pool) {
  const Memory memory(matmul_scratch_bytes(2048, 256, pool.size()));
  const Scratch scratch{memory.data.get(), matmul_scratch_bytes(2048, 256, pool.size())};
  for (Type type : kAllTypes) {
    const int64_t n_in = 2048, n_out = 2048;
    const std::vector<uint8_t> data(static_cast<size_t>(row_bytes(type, n_in) * n_out), 0x11);
    const Matrix w{type, n_in, n_out, data.data()};
    std::vector<float> x(static_cast<size_t>(n_in * 256), 0.5f), y(static_cast<size_t>(n_out * 256));
    const MatmulJob job{&w, y.data(), n_out};
    const double one = fastest(40, [&] { matmul(pool, {&job, 1}, x.data(), 1, scratch, Precision::fast); });
    const double four = fastest(20, [&] { matmul(pool, {&job, 1}, x.data(), 4, scratch, Precision::fast); });
    const Matrix part{type, n_in, n_out / 8, data.data()};  // short runs, which others are less likely to disturb
    const MatmulJob part_job{&part, y.data(), n_out};
    const double many = fastest(40, [&] { matmul(pool, {&part_job, 1}, x.data(), 256, scratch, Precision::fast); });
    const double exact = fastest(20, [&] { matmul(pool, {&part_job, 1}, x.data(), 256, scratch, Precision::exact); });
    const double macs = static_cast<double>(n_in * n_out / 8);
    std::printf(
        "type %2u in cache: 1 token %6.1f GB/s, 4 tokens %6.1f GB/s, 256 tokens %7.1f Gmac/s, exact %6.1f Gmac/s\n",
        type, static_cast<double>(data.size()) / one * 1e-9, static_cast<double>(data.size()) / four * 1e-9,
        macs * 256 / many * 1e-9, macs * 256 / exact * 1e-9);
  }
}

void bench_attention(ThreadPool& pool, const char* name, int64_t n_head, int64_t n_head_kv, int64_t head_dim) {
  const int64_t n_ctx = 4096 + 512, n_tokens = 512;
  std::vector<uint16_t> k(static_cast<size_t>(n_head_kv * n_ctx * head_dim), 0x3000), v(k);
  const KvView kv{k.data(), v.data(), true, n_ctx, n_head_kv, head_dim};
  const AttentionConfig config{n_head, 0.1f, 0, 0};
  std::vector<float> q(static_cast<size_t>(n_tokens * n_head * head_dim), 0.3f), out(q.size());
  const size_t bytes = attention_scratch_bytes(n_head, n_head_kv, head_dim, n_tokens, n_ctx, pool.size());
  const Memory memory(bytes);
  const Scratch scratch{memory.data.get(), bytes};
  for (int64_t pos : {0, 128, 512, 4096}) {
    const double one = fastest(50, [&] { gqa_attention(pool, kv, config, q.data(), 1, pos, out.data(), scratch); });
    const double many =
        fastest(4, [&] { gqa_attention(pool, kv, config, q.data(), n_tokens, pos, out.data(), scratch); });
    std::printf("attention %s at %4lld: 1 token %8.2f us, 512 tokens %8.2f ms\n", name, static_cast<long long>(pos),
                one * 1e6, many * 1e3);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int n_threads = argc > 1 ? std::atoi(argv[1]) : usable_physical_cores();
  const std::string what = argc > 2 ? argv[2] : "all";
  ThreadPool pool(n_threads);
  std::printf("%s, %d threads\n", std::string(isa_name(isa())).c_str(), pool.size());
  if (what == "all" || what == "pool") {
    const double fork = fastest(20, [&] {
      for (int i = 0; i < 1000; ++i) pool.run([](int, int) {});
    });
    std::printf("fork and join %.0f ns\n", fork * 1e6);
  }
  if (what == "all" || what == "models") {
    for (const Model& model : kModels) bench_model(pool, model);
  }
  if (what == "all" || what == "types") bench_types(pool);
  if (what == "all" || what == "attention") {
    bench_attention(pool, "9/3 x 64", 9, 3, 64);
    bench_attention(pool, "4/1 x 256", 4, 1, 256);
  }
  if (what == "all" || what == "vector") {
    std::vector<float> x(1536, 0.7f), y(1536);
    std::vector<float> logits(262144, 0.5f);
    const auto ns = [](double seconds, int n) { return seconds / n * 1e9; };
    std::printf("silu_mul 1536: %.0f ns\n", ns(fastest(20,
                                                       [&] {
                                                         for (int i = 0; i < 100; ++i)
                                                           silu_mul(x.data(), x.data(), y.data(), 1536);
                                                       }),
                                               100));
    std::printf("gelu_mul 1536: %.0f ns\n", ns(fastest(20,
                                                       [&] {
                                                         for (int i = 0; i < 100; ++i)
                                                           gelu_mul(x.data(), x.data(), y.data(), 1536);
                                                       }),
                                               100));
    std::printf("rmsnorm 576: %.0f ns\n", ns(fastest(20,
                                                     [&] {
                                                       for (int i = 0; i < 100; ++i)
                                                         rmsnorm(x.data(), x.data(), 1e-5f, y.data(), 576);
                                                     }),
                                             100));
    std::printf("argmax 262144: %.0f ns\n", ns(fastest(20, [&] { argmax(logits.data(), 262144); }), 1));
    std::printf("sum_exp 262144: %.0f ns\n", ns(fastest(20, [&] { sum_exp(logits.data(), 0.5f, 262144); }), 1));
  }
}
