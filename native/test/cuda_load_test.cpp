/** Models on their way into a GPU's memory: right, stopped in the middle, again and again, and how fast. */
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.h"
#include "core/types.h"
#include "kernels_testing.h"
#include "test/backend_under_test.h"
#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::test;

namespace {

using LoadRound = kigo_status(const kigo_model_desc*, const kigo_load*, uint64_t*, uint64_t*);
using LoadMatrix = kigo_status(const kigo_model_desc*, int32_t, const char*, float*, float*);
using LoadSpeed = kigo_status(const kigo_model_desc*, double*, double*, double*);

/** A Llama of n_layer layers in Q4_K whose file holds noise: for loads of a size that can be timed. */
class NoiseModel {
 public:
  explicit NoiseModel(int32_t n_layer) : path_(std::filesystem::temp_directory_path() / "kigo-noise.bin") {
    kigo_layer_config layer = {};
    layer.n_head = 32;
    layer.n_head_kv = 8;
    layer.head_dim = layer.n_rot = 128;
    layer.n_ff = 14336;
    layer.rope_base = 500000;
    layer.rope_scale = layer.rope_mscale = 1;
    layer.attn_scale = 0.088;
    layers_.assign(static_cast<size_t>(n_layer), layer);
    config_ = {.struct_size = sizeof config_,
               .n_layer = n_layer,
               .n_embd = 4096,
               .n_vocab = 32000,
               .n_ctx_train = 8192,
               .norm_eps = 1e-5,
               .embedding_scale = 1,
               .logit_softcap = 0,
               .layers = layers_.data()};
    add("token_embd.weight", kQ4_K, 4096, 32000);
    for (int32_t i = 0; i < n_layer; ++i) {
      const std::string b = "blk." + std::to_string(i) + ".";
      add(b + "attn_norm.weight", kF32, 4096, 1);
      add(b + "attn_q.weight", kQ4_K, 4096, 4096);
      add(b + "attn_k.weight", kQ4_K, 4096, 1024);
      add(b + "attn_v.weight", kQ6_K, 4096, 1024);
      add(b + "attn_output.weight", kQ4_K, 4096, 4096);
      add(b + "ffn_norm.weight", kF32, 4096, 1);
      add(b + "ffn_gate.weight", kQ4_K, 4096, 14336);
      add(b + "ffn_up.weight", kQ4_K, 4096, 14336);
      add(b + "ffn_down.weight", kQ6_K, 14336, 4096);
    }
    add("output_norm.weight", kF32, 4096, 1);

    std::ofstream out(path_, std::ios::binary);
    std::vector<uint64_t> noise(1 << 20);
    cpu::testing::Random random(1);
    for (uint64_t& word : noise) word = random.bits();
    const auto chunk = static_cast<uint64_t>(noise.size() * sizeof noise[0]);
    for (uint64_t done = 0; done < end_; done += chunk) {
      out.write(reinterpret_cast<const char*>(noise.data()),
                static_cast<std::streamsize>(std::min(chunk, end_ - done)));
    }
    out.close();
    struct stat now = {};
    REQUIRE(stat(path_.c_str(), &now) == 0);
    name_ = path_.string();
    file_ = {name_.c_str(), end_,
             static_cast<double>(now.st_mtim.tv_sec) * 1e3 + static_cast<double>(now.st_mtim.tv_nsec) / 1e6};
    desc_ = {.struct_size = sizeof desc_,
             .config = &config_,
             .tensors = tensors_.data(),
             .n_tensors = static_cast<uint32_t>(tensors_.size()),
             .files = &file_,
             .n_files = 1};
  }
  ~NoiseModel() { std::filesystem::remove(path_); }
  NoiseModel(const NoiseModel&) = delete;
  NoiseModel& operator=(const NoiseModel&) = delete;

  const kigo_model_desc* desc() const { return &desc_; }
  uint64_t bytes() const { return end_; }

 private:
  void add(const std::string& name, uint32_t type, uint64_t n_in, uint64_t n_out) {
    const TypeTraits* traits = find_type(type);
    const uint64_t bytes = n_in / traits->block_values * traits->block_bytes * n_out;
    names_.push_back(name);
    tensors_.push_back({.name = names_.back().c_str(),
                        .type = type,
                        .n_dims = n_out == 1 ? 1u : 2u,
                        .dims = {n_in, n_out, 1, 1},
                        .file = 0,
                        .offset = end_,
                        .bytes = bytes});
    end_ += (bytes + 31) / 32 * 32;
  }

  std::filesystem::path path_;
  std::string name_;
  std::deque<std::string> names_;
  std::vector<kigo_layer_config> layers_;
  std::vector<kigo_tensor> tensors_;
  kigo_config config_ = {};
  kigo_file file_ = {};
  kigo_model_desc desc_ = {};
  uint64_t end_ = 0;
};

const kigo_load kQuiet = {};

}  // namespace

TEST_CASE("cuda: a loaded model's matrices are the file's, fused ones apart, with their biases") {
  const auto load_matrix = cuda_function<LoadMatrix>("cuda_load_matrix");
  if (load_matrix == nullptr) return;
  for (const uint32_t type : {kF32, kF16, kBF16, kQ8_0}) {
    for (const uint32_t vector_type : {kF32, kF16, kBF16}) {
      TinySpec spec;
      spec.type = type;
      spec.vector_type = vector_type;
      spec.n_embd = 64;
      spec.n_ff = 96;
      spec.n_head = 4;
      spec.biases = true;
      spec.fused_qkv = type == kF16;
      TinyModel tiny(spec);
      CAPTURE(type);
      CAPTURE(vector_type);
      const auto expect = [&](const char* name, const std::string& tensor, size_t first_row, size_t n_out,
                              size_t n_in) {
        CAPTURE(name);
        std::vector<float> values(n_out * n_in, NAN), bias(n_out, NAN);
        KIGO_REQUIRE_CUDA(load_matrix(tiny.desc(), 1, name, values.data(), bias.data()));
        const std::vector<float>& file = tiny.values(tensor + ".weight");
        CHECK(std::memcmp(values.data(), &file[first_row * n_in], values.size() * sizeof(float)) == 0);
        if (tiny.has(tensor + ".bias")) {
          CHECK(std::memcmp(bias.data(), &tiny.values(tensor + ".bias")[first_row], n_out * sizeof(float)) == 0);
        }
      };
      const bool fused = spec.fused_qkv;
      expect("token_embd", "token_embd", 0, 97, 64);
      expect("output", "output", 0, 97, 64);
      expect("attn_q", fused ? "blk.1.attn_qkv" : "blk.1.attn_q", 0, 64, 64);
      expect("attn_k", fused ? "blk.1.attn_qkv" : "blk.1.attn_k", fused ? 64 : 0, 32, 64);
      expect("attn_v", fused ? "blk.1.attn_qkv" : "blk.1.attn_v", fused ? 96 : 0, 32, 64);
      expect("ffn_down", "blk.1.ffn_down", 0, 64, 96);
    }
  }
}

TEST_CASE("cuda: fifty loads leave nothing behind") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  const NoiseModel model(1);
  uint64_t after_second = 0, free = 0, ours = 1;
  const int n_rounds = small_tests() ? 3 : 50;
  for (int i = 1; i <= n_rounds; ++i) {
    KIGO_REQUIRE_CUDA(round(model.desc(), &kQuiet, &ours, &free));
    REQUIRE(ours == 0);
    if (i == 2) after_second = free;
  }
  const uint64_t difference = free > after_second ? free - after_second : after_second - free;
  CHECK(difference <= 2 << 20);
}

TEST_CASE("cuda: a cancelled load ends soon and leaves nothing behind") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  const NoiseModel model(small_tests() ? 2 : 8);
  struct Cancel {
    std::chrono::steady_clock::time_point asked;
    uint64_t at_bytes = 0;
    bool now = false;
  } cancel;
  kigo_load load = {};
  load.progress_context = &cancel;
  load.progress = [](void* context, uint64_t done, uint64_t) {
    auto* c = static_cast<Cancel*>(context);
    if (done < c->at_bytes || c->now) return;
    c->now = true;
    c->asked = std::chrono::steady_clock::now();
  };
  load.cancel = {[](void* context) { return static_cast<Cancel*>(context)->now ? 1 : 0; }, &cancel};
  for (const uint64_t at : {uint64_t{0}, model.bytes() / 10, model.bytes() / 2}) {
    cancel = {.asked = {}, .at_bytes = at};
    uint64_t ours = 1, free = 0;
    CHECK(round(model.desc(), &load, &ours, &free) == KIGO_CANCELLED);
    // How soon is for session_bench to say; this only sees that it does not go on.
    CHECK(std::chrono::steady_clock::now() - cancel.asked < std::chrono::seconds(5));
    CHECK(ours == 0);
  }
}

TEST_CASE("cuda: a load counts its bytes up to the whole, and refuses files that are not what they were") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  TinyModel tiny;
  uint64_t ours = 1, free = 0;
  std::vector<std::pair<uint64_t, uint64_t>> seen;
  kigo_load load = {};
  load.progress_context = &seen;
  load.progress = [](void* context, uint64_t done, uint64_t total) {
    static_cast<std::vector<std::pair<uint64_t, uint64_t>>*>(context)->push_back({done, total});
  };
  KIGO_REQUIRE_CUDA(round(tiny.desc(), &load, &ours, &free));
  REQUIRE(seen.size() >= 2);
  CHECK(seen.front().first == 0);
  CHECK(seen.back().first == seen.back().second);
  uint64_t bytes = 0;
  for (const kigo_tensor& t : tiny.tensors) bytes += t.bytes;
  CHECK(seen.back().second == bytes);

  tiny.desc();
  tiny.files[0].mtime_ms += 1000;
  CHECK(round(tiny.desc(), &kQuiet, &ours, &free) == KIGO_MODEL_FILE_CHANGED);
  CHECK(ours == 0);
  tiny.files[0].mtime_ms -= 1000;
  std::filesystem::rename(tiny.path, tiny.path.string() + ".away");
  CHECK(round(tiny.desc(), &kQuiet, &ours, &free) == KIGO_MODEL_NOT_FOUND);
  CHECK(ours == 0);
  std::filesystem::rename(tiny.path.string() + ".away", tiny.path);
}

TEST_CASE("cuda: a context that does not fit is answered with the longest that does") {
  const kigo_backend_api* api = has_cuda() ? cuda_backend() : nullptr;
  if (api == nullptr) return;
  TinyModel tiny;
  const OpenModel model({"cuda", api, false, 0}, tiny.desc(), model_options(false));
  const kigo_session_options huge = {sizeof huge, INT32_MAX, 16};
  kigo_session* session = nullptr;
  REQUIRE(api->session_open(model.handle, &huge, &session) == KIGO_OUT_OF_MEMORY);
  std::map<std::string, double> details;
  const Error error = to_exception(*api->last_error());
  for (const Detail& d : error.details()) details[d.key] = d.number;
  CHECK(details["neededBytes"] - details["freeBytes"] == details["missingBytes"]);

  const auto bytes = [&](double n_ctx) {
    const kigo_model_options options = model_options(false);
    const kigo_session_options wanted = {sizeof wanted, static_cast<int32_t>(n_ctx), 16};
    kigo_memory plan = {};
    KIGO_REQUIRE_OK(api, api->plan(tiny.desc(), &options, &wanted, &plan));
    return static_cast<double>(plan.kv + plan.workspace);
  };
  REQUIRE(details["largestContext"] > 0);
  CHECK(bytes(details["largestContext"]) < details["freeBytes"]);
  CHECK(bytes(details["largestContext"]) > details["freeBytes"] * 0.98 - (64 << 20));
}

TEST_CASE("cuda: speed of loading" * doctest::skip()) {
  const auto speed = cuda_function<LoadSpeed>("cuda_load_speed");
  if (speed == nullptr) return;
  const NoiseModel model(32);
  for (int i = 0; i < 3; ++i) {
    double load = 0, plain = 0, overlapped = 0;
    KIGO_REQUIRE_CUDA(speed(model.desc(), &load, &plain, &overlapped));
    MESSAGE("load of " << static_cast<double>(model.bytes()) / 1e9 << " GB: " << load / 1e9
                       << " GB/s; a plain read and copy: " << plain / 1e9
                       << " GB/s; with one reader overlapping its copies: " << overlapped / 1e9 << " GB/s");
  }
}
