/**
 * Tokens per second of a backend library, through its C ABI, on models of random weights in the shape of real ones:
 * `session_bench LIBRARY SHAPE TYPE [PROMPT …]`, for example `session_bench ./libkigo_cuda.so llama-3.1-8b Q4_K 512
 * 2048`. With `--cancel` instead of prompts: how soon a cancel at a random moment ends a load, a prompt, a reply.
 *
 * All layers read the same few hundred megabytes of a temporary file, so that no model of full size is written.
 */
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/model_file.h"
#include "core/types.h"
#include "kigo/abi.h"

namespace {

using namespace kigo;
using Clock = std::chrono::steady_clock;

struct Shape {
  const char* name;
  int32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab;
  bool biases, tied;
};
constexpr Shape kShapes[] = {{"smollm2-135m", 30, 576, 1536, 9, 3, 64, 49152, false, true},
                             {"qwen2.5-0.5b", 24, 896, 4864, 14, 2, 64, 151936, true, false},
                             {"llama-3.1-8b", 32, 4096, 14336, 32, 8, 128, 128256, false, false}};

/** Random blocks of a type: small weights, whatever the type. */
std::vector<uint8_t> random_blocks(const TypeTraits& type, size_t n_bytes) {
  std::mt19937_64 random(1);
  std::vector<uint8_t> bytes(n_bytes / type.block_bytes * type.block_bytes);
  const auto put_f16 = [&](size_t at) {  // 2^-10 … 2^-9, either sign
    const auto half = static_cast<uint16_t>(0x1400 | (random() & 0x83ff));
    std::memcpy(&bytes[at], &half, 2);
  };
  for (size_t at = 0; at < bytes.size(); at += type.block_bytes) {
    if (type.type == kF16) {
      put_f16(at);
    } else if (type.type == kBF16 || type.type == kF32) {
      const auto top = static_cast<uint16_t>(0x3a80 | (random() & 0x807f));
      std::memcpy(&bytes[at + type.block_bytes - 2], &top, 2);
    } else {
      for (size_t i = 0; i < type.block_bytes; ++i) bytes[at + i] = static_cast<uint8_t>(random());
      // Scales so small that random quants make weights of about 2^-6.
      const auto scale = static_cast<uint16_t>(0x0400 | (random() & 0x83ff));
      if (type.type == kQ6_K) {
        for (size_t i = 192; i < 208; ++i) bytes[at + i] = static_cast<uint8_t>(1 + random() % 4);
        std::memcpy(&bytes[at + 208], &scale, 2);
      } else {
        std::memcpy(&bytes[at], &scale, 2);
        if (type.type == kQ4_K || type.type == kQ5_K || type.type == kQ4_1 || type.type == kQ5_1) {
          std::memcpy(&bytes[at + 2], &scale, 2);
        }
      }
    }
  }
  return bytes;
}

/** A description whose tensors of one type and size share a place in one temporary file. */
class Model {
 public:
  /** "Q4_K" is mixed as llama.cpp mixes Q4_K_M: some attn_v and ffn_down, and the head, in Q6_K. */
  Model(const Shape& shape, const std::string& type) : shape_(shape) {
    path_ = "/tmp/kigo-bench-" + std::to_string(getpid());
    file_ = std::fopen(path_.c_str(), "wb");
    const uint32_t plain = find(type), better = plain == kQ4_K ? uint32_t{kQ6_K} : plain;
    add("token_embd.weight", plain, shape.n_embd, shape.n_vocab);
    const int32_t n_q = shape.n_head * shape.head_dim, n_kv = shape.n_head_kv * shape.head_dim;
    for (int32_t i = 0; i < shape.n_layer; ++i) {
      const std::string b = "blk." + std::to_string(i) + ".";
      const int32_t eighth = shape.n_layer / 8;
      const bool more = i < eighth || i >= 7 * eighth || (i - eighth) % 3 == 2;
      add(b + "attn_norm.weight", kF32, shape.n_embd, 0);
      add(b + "attn_q.weight", plain, shape.n_embd, n_q);
      add(b + "attn_k.weight", plain, shape.n_embd, n_kv);
      add(b + "attn_v.weight", more ? better : plain, shape.n_embd, n_kv);
      if (shape.biases) {
        add(b + "attn_q.bias", kF32, n_q, 0);
        add(b + "attn_k.bias", kF32, n_kv, 0);
        add(b + "attn_v.bias", kF32, n_kv, 0);
      }
      add(b + "attn_output.weight", plain, n_q, shape.n_embd);
      add(b + "ffn_norm.weight", kF32, shape.n_embd, 0);
      add(b + "ffn_gate.weight", plain, shape.n_embd, shape.n_ff);
      add(b + "ffn_up.weight", plain, shape.n_embd, shape.n_ff);
      add(b + "ffn_down.weight", more ? better : plain, shape.n_ff, shape.n_embd);
      kigo_layer_config l = {};
      l.n_head = shape.n_head;
      l.n_head_kv = shape.n_head_kv;
      l.head_dim = l.n_rot = shape.head_dim;
      l.n_ff = shape.n_ff;
      l.rope = KIGO_ROPE_NEOX;
      l.rope_base = 500000;
      l.rope_scale = l.rope_mscale = 1;
      l.attn_scale = 1 / std::sqrt(shape.head_dim);
      layers_.push_back(l);
    }
    add("output_norm.weight", kF32, shape.n_embd, 0);
    if (!shape.tied) add("output.weight", better, shape.n_embd, shape.n_vocab);
    std::fclose(file_);
    const FileIdentity now = identify(path_);
    file_info_ = {path_.c_str(), now.bytes, now.mtime_ms};
    config_ = {sizeof config_, shape.n_layer, shape.n_embd, shape.n_vocab, 1 << 17, 1e-5, 1, 0, layers_.data()};
    desc_ = {sizeof desc_, &config_, tensors_.data(), static_cast<uint32_t>(tensors_.size()), &file_info_, 1};
  }
  ~Model() { unlink(path_.c_str()); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const kigo_model_desc* desc() const { return &desc_; }

 private:
  static uint32_t find(const std::string& name) {
    for (const TypeTraits& t : kTensorTypes) {
      if (name == t.name) return t.type;
    }
    std::fprintf(stderr, "There is no type %s.\n", name.c_str());
    std::exit(2);
  }

  void add(const std::string& name, uint32_t type, int64_t n_in, int64_t n_out) {
    const TypeTraits& traits = *find_type(type);
    const uint64_t values = static_cast<uint64_t>(n_in) * static_cast<uint64_t>(std::max<int64_t>(n_out, 1));
    const uint64_t bytes = values / traits.block_values * traits.block_bytes;
    const auto [place, is_new] = places_.try_emplace({type, bytes}, end_);
    if (is_new) {
      static std::map<uint32_t, std::vector<uint8_t>> patterns;
      std::vector<uint8_t>& pattern = patterns[type];
      if (pattern.empty()) pattern = random_blocks(traits, 16 << 20);
      for (uint64_t at = 0; at < bytes; at += pattern.size()) {
        std::fwrite(pattern.data(), 1, std::min<uint64_t>(pattern.size(), bytes - at), file_);
      }
      end_ += bytes;
      const std::vector<uint8_t> padding((64 - end_ % 64) % 64);
      std::fwrite(padding.data(), 1, padding.size(), file_);
      end_ += padding.size();
    }
    kigo_tensor t = {names_.emplace_back(name).c_str(),
                     type,
                     n_out == 0 ? 1u : 2u,
                     {static_cast<uint64_t>(n_in), static_cast<uint64_t>(std::max<int64_t>(n_out, 1)), 1, 1},
                     0,
                     place->second,
                     bytes};
    tensors_.push_back(t);
  }

  const Shape& shape_;
  std::string path_;
  std::FILE* file_;
  uint64_t end_ = 0;
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> places_;
  std::deque<std::string> names_;
  std::vector<kigo_tensor> tensors_;
  std::vector<kigo_layer_config> layers_;
  kigo_file file_info_ = {};
  kigo_config config_ = {};
  kigo_model_desc desc_ = {};
};

const kigo_backend_api* api;

void require(kigo_status status) {
  if (status == KIGO_OK) return;
  std::fprintf(stderr, "%s\n", api->last_error()->message);
  std::exit(1);
}

/** Mean and deviation of tokens a second over five runs behind one that warms up. */
template <class Run>
void report(const char* what, int depth, int n, Run run) {
  std::vector<double> speeds;
  for (int i = 0; i < 6; ++i) {
    const double seconds = run();
    if (i > 0) speeds.push_back(n / seconds);
  }
  double mean = 0, squares = 0;
  for (const double s : speeds) mean += s / static_cast<double>(speeds.size());
  for (const double s : speeds) squares += (s - mean) * (s - mean) / static_cast<double>(speeds.size() - 1);
  std::printf("  %s %5d at %5d: %9.0f ± %.0f tokens/s (%.3f ms)\n", what, n, depth, mean, std::sqrt(squares),
              n / mean * 1e3);
  std::fflush(stdout);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// ---- cancelling -------------------------------------------------------------------------------------------------

/** Asks for the end `seconds` from now, from a thread of its own. */
class CancelLater {
 public:
  explicit CancelLater(double seconds)
      : thread_([this, seconds] {
          std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
          asked_at_ = Clock::now();
          asked_ = true;
        }) {}
  ~CancelLater() { thread_.join(); }

  kigo_cancel cancel() {
    return {[](void* self) { return static_cast<CancelLater*>(self)->asked_ ? 1 : 0; }, this};
  }
  double milliseconds() const { return seconds_since(asked_at_) * 1e3; }

 private:
  Clock::time_point asked_at_;
  std::atomic<bool> asked_{false};
  std::thread thread_;
};

/** `work` takes the cancel and says whether it was cancelled; `longest` seconds is about what it takes by itself. */
template <class Work>
void report_cancels(const char* what, double longest, Work work) {
  std::mt19937_64 random(std::random_device{}());
  constexpr int kRounds = 20;
  std::vector<double> waits;
  for (int i = 0; i < kRounds; ++i) {
    CancelLater later(std::uniform_real_distribution<double>(0, longest)(random));
    if (work(later.cancel())) waits.push_back(later.milliseconds());
  }
  std::sort(waits.begin(), waits.end());
  if (waits.empty()) return;
  std::printf("  %-28s %2zu of %d cancelled, within %.1f ms (median), %.1f ms (longest)\n", what, waits.size(), kRounds,
              waits[waits.size() / 2], waits.back());
  std::fflush(stdout);
}

/** Runs `work`; whether it was cancelled. Any other failure ends the program. */
bool was_cancelled(kigo_status status) {
  if (status != KIGO_CANCELLED) require(status);
  return status == KIGO_CANCELLED;
}

uint64_t free_bytes() {
  kigo_device_info device = {};
  require(api->device_info(0, &device));
  return device.free_bytes;
}

void measure_cancels(const Model& file, const Shape& shape) {
  kigo_model_options options = {};
  options.struct_size = sizeof options;
  kigo_model* model = nullptr;
  require(api->model_open(file.desc(), &options, nullptr, &model));
  api->model_close(model);
  const uint64_t before = free_bytes();
  const Clock::time_point opening = Clock::now();
  require(api->model_open(file.desc(), &options, nullptr, &model));
  const double load_seconds = seconds_since(opening);
  api->model_close(model);
  report_cancels("a load", load_seconds, [&](kigo_cancel cancel) {
    const kigo_load load = {.cancel = cancel, .progress = nullptr, .progress_context = nullptr};
    const bool cancelled = was_cancelled(api->model_open(file.desc(), &options, &load, &model));
    if (!cancelled) api->model_close(model);
    return cancelled;
  });
  std::printf("  free memory before the cancelled loads %.1f MiB, behind them %.1f MiB\n",
              static_cast<double>(before) / (1 << 20), static_cast<double>(free_bytes()) / (1 << 20));

  require(api->model_open(file.desc(), &options, nullptr, &model));
  constexpr int32_t kPrompt = 16384;
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < kPrompt; ++i) tokens.push_back((37 * i + 11) % shape.n_vocab);
  for (const int32_t n_batch : {512, 2048}) {
    const kigo_session_options session_options = {sizeof session_options, kPrompt + 1024, n_batch};
    kigo_session* session = nullptr;
    require(api->session_open(model, &session_options, &session));
    const auto prefill = [&](kigo_cancel cancel) {
      require(api->session_truncate(session, 0));
      for (int32_t done = 0; done < kPrompt; done += n_batch) {
        kigo_forward request = {};
        request.struct_size = sizeof request;
        request.tokens = &tokens[static_cast<size_t>(done)];
        request.n_tokens = n_batch;
        request.logits = done + n_batch == kPrompt ? KIGO_LOGITS_LAST : KIGO_LOGITS_NONE;
        request.cancel = cancel;
        if (was_cancelled(api->forward(session, &request))) return true;
      }
      return false;
    };
    prefill({});
    const Clock::time_point start = Clock::now();
    prefill({});
    const std::string batches = " in batches of " + std::to_string(n_batch);
    report_cancels(("a prompt" + batches).c_str(), seconds_since(start), prefill);

    prefill({});
    kigo_sampling sampling = {};
    sampling.struct_size = sizeof sampling;
    sampling.top_p = sampling.repeat_penalty = 1;
    require(api->sampling_begin(session, &sampling));
    report_cancels("a reply", 0.2, [&](kigo_cancel cancel) {
      require(api->session_truncate(session, kPrompt - 1));
      kigo_forward request = {};
      request.struct_size = sizeof request;
      request.tokens = &tokens.back();
      request.n_tokens = 1;
      request.logits = KIGO_LOGITS_LAST;
      request.cancel = cancel;
      kigo_status status = api->forward(session, &request);
      kigo_token_record record;
      for (int i = 0; i < 1000 && status == KIGO_OK; ++i) status = api->decode_next(session, &cancel, &record);
      return was_cancelled(status);
    });
    api->session_close(session);
  }
  api->model_close(model);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "session_bench LIBRARY SHAPE TYPE [PROMPT … | --cancel]\n");
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  const auto entry =
      library == nullptr ? nullptr : reinterpret_cast<kigo_backend_fn>(dlsym(library, KIGO_BACKEND_SYMBOL));
  if (entry == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  api = entry();
  const auto shape = std::find_if(std::begin(kShapes), std::end(kShapes),
                                  [&](const Shape& s) { return std::string(argv[2]) == s.name; });
  if (shape == std::end(kShapes)) {
    std::fprintf(stderr, "There is no shape %s.\n", argv[2]);
    return 2;
  }
  if (argc > 4 && std::strcmp(argv[4], "--cancel") == 0) {
    measure_cancels(Model(*shape, argv[3]), *shape);
    return 0;
  }
  std::vector<int> prompts;
  for (int i = 4; i < argc; ++i) prompts.push_back(std::atoi(argv[i]));
  if (prompts.empty()) prompts = {512, 2048};

  const Model file(*shape, argv[3]);
  kigo_model_options options = {};
  options.struct_size = sizeof options;
  kigo_model* model = nullptr;
  const Clock::time_point opening = Clock::now();
  require(api->model_open(file.desc(), &options, nullptr, &model));
  const int32_t n_batch = std::max(512, *std::max_element(prompts.begin(), prompts.end()));
  const kigo_session_options session_options = {sizeof session_options, n_batch + 4608, n_batch};
  kigo_session* session = nullptr;
  require(api->session_open(model, &session_options, &session));
  kigo_memory memory = {};
  require(api->model_tally(model, &memory));
  kigo_device_info device = {};
  require(api->device_info(0, &device));
  std::printf("%s %s on %s (%s): loaded in %.1f s; weights %.2f GB, KV %.2f GB, workspace %.2f GB\n", argv[2], argv[3],
              device.name, device.detail, seconds_since(opening), static_cast<double>(memory.weights) * 1e-9,
              static_cast<double>(memory.kv) * 1e-9, static_cast<double>(memory.workspace) * 1e-9);

  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < n_batch; ++i) tokens.push_back((37 * i + 11) % shape->n_vocab);
  const auto prefill = [&](int n) {
    kigo_forward request = {};
    request.struct_size = sizeof request;
    request.tokens = tokens.data();
    request.n_tokens = n;
    request.logits = KIGO_LOGITS_LAST;
    require(api->forward(session, &request));
  };
  for (const int n : prompts) {
    report("prefill", 0, n, [&] {
      require(api->session_truncate(session, 0));
      const Clock::time_point start = Clock::now();
      prefill(n);
      return seconds_since(start);
    });
  }
  for (const int depth : {0, 4096}) {
    report("decode ", depth, 128, [&] {
      require(api->session_truncate(session, 0));
      for (int done = 0; done < depth; done += 512) prefill(512);
      if (depth == 0) prefill(1);
      kigo_sampling sampling = {};
      sampling.struct_size = sizeof sampling;
      sampling.top_p = sampling.repeat_penalty = 1;
      require(api->sampling_begin(session, &sampling));
      kigo_token_record record;
      require(api->decode_next(session, nullptr, &record));
      const Clock::time_point start = Clock::now();
      for (int i = 0; i < 128; ++i) require(api->decode_next(session, nullptr, &record));
      const double seconds = seconds_since(start);
      require(api->decode_end(session));
      return seconds;
    });
  }
  api->session_close(session);
  api->model_close(model);
  return 0;
}
