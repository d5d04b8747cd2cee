/** Models on their way into a GPU's memory: right, stopped in the middle, again and again, and how fast. */
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.h"
#include "core/model_file.h"
#include "core/types.h"
#include "test/backend_under_test.h"
#include "test/cuda_library.h"
#include "test/noise_model.h"

using namespace kigo;
using namespace kigo::test;

namespace {

using LoadRound = kigo_status(const kigo_model_desc*, const kigo_load*, uint64_t*);
using LoadMatrix = kigo_status(const kigo_model_desc*, int32_t, const char*, float*, float*);
using LoadRows = kigo_status(const kigo_file*, int64_t, int64_t, float*);
using LoadSpeed = kigo_status(const kigo_model_desc*, double*, double*, double*);

const kigo_load kQuiet = {};

/** Descriptors of this process whose file's name begins so. */
int open_files(const std::string& begin) {
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone).string().rfind(begin, 0) == 0) ++n;
  }
  return n;
}

}  // namespace

TEST_CASE("cuda: a loaded model's matrices are the file's, fused ones apart, with their biases") {
  const auto load_matrix = cuda_function<LoadMatrix>("cuda_load_matrix");
  if (load_matrix == nullptr) return;
  for (const uint32_t type : few<uint32_t>({kF32, kBF16, kQ8_0, kF16}, 3)) {
    for (const uint32_t vector_type : few<uint32_t>({kF32, kF16, kBF16}, 2)) {
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
    KIGO_REQUIRE_CUDA(round(model.desc(), &kQuiet, &ours));
    REQUIRE(ours == 0);
    free = cuda_free_memory();
    if (i == 2) after_second = free;
  }
  const uint64_t difference = free > after_second ? free - after_second : after_second - free;
  if (!small_tests()) CHECK(difference <= 2 << 20);  // those run side by side on one GPU
}

TEST_CASE("cuda: a cancelled load ends as cancelled and leaves nothing behind") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  const NoiseModel model(small_tests() ? 2 : 8);
  struct Cancel {
    uint64_t at_bytes = 0;
    bool now = false;
  } cancel;
  kigo_load load = {};
  load.progress_context = &cancel;
  load.progress = [](void* context, uint64_t done, uint64_t) {
    auto* c = static_cast<Cancel*>(context);
    if (done >= c->at_bytes) c->now = true;
  };
  load.cancel = {[](void* context) { return static_cast<Cancel*>(context)->now ? 1 : 0; }, &cancel};
  for (const uint64_t at : {uint64_t{0}, model.bytes() / 10, model.bytes() / 2}) {
    cancel = {.at_bytes = at};
    uint64_t ours = 1;
    CHECK(round(model.desc(), &load, &ours) == KIGO_CANCELLED);
    CHECK(ours == 0);
  }
}

TEST_CASE("cuda: a load counts its bytes up to the whole, and refuses files that are not what they were") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  TinyModel tiny;
  uint64_t ours = 1;
  std::vector<std::pair<uint64_t, uint64_t>> seen;
  kigo_load load = {};
  load.progress_context = &seen;
  load.progress = [](void* context, uint64_t done, uint64_t total) {
    static_cast<std::vector<std::pair<uint64_t, uint64_t>>*>(context)->push_back({done, total});
  };
  KIGO_REQUIRE_CUDA(round(tiny.desc(), &load, &ours));
  REQUIRE(seen.size() >= 2);
  CHECK(seen.front().first == 0);
  CHECK(seen.back().first == seen.back().second);
  uint64_t bytes = 0;
  for (const kigo_tensor& t : tiny.tensors) bytes += t.bytes;
  CHECK(seen.back().second == bytes);

  tiny.desc();
  tiny.files[0].mtime_ms += 1000;
  CHECK(round(tiny.desc(), &kQuiet, &ours) == KIGO_MODEL_FILE_CHANGED);
  CHECK(ours == 0);
  tiny.files[0].mtime_ms -= 1000;
  std::filesystem::rename(tiny.path, tiny.path.string() + ".away");
  CHECK(round(tiny.desc(), &kQuiet, &ours) == KIGO_MODEL_NOT_FOUND);
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
  kigo_device_info info = {};
  KIGO_REQUIRE_OK(api, api->device_info(0, &info));
  const double needed = bytes(details["largestContext"]) + static_cast<double>(info.driver_bytes);
  CHECK(needed <= details["freeBytes"]);
  CHECK(needed > details["freeBytes"] * 0.98);
}

TEST_CASE("cuda: a load of many parts has one of them open for each reader") {
  const auto round = cuda_function<LoadRound>("cuda_load_round");
  if (round == nullptr) return;
  TinyModel tiny;
  tiny.desc();
  std::deque<std::string> paths;
  for (kigo_tensor& t : tiny.tensors) {
    const std::string& path = paths.emplace_back(tiny.path.string() + ".part" + std::to_string(paths.size()));
    std::filesystem::copy_file(tiny.path, path);
    std::filesystem::last_write_time(path, std::filesystem::last_write_time(tiny.path));
    t.file = static_cast<uint32_t>(tiny.files.size());
    tiny.files.push_back({path.c_str(), tiny.files[0].bytes, tiny.files[0].mtime_ms});
  }
  struct Seen {
    std::string begin;
    int most = 0;
  } seen{tiny.path.string()};
  kigo_load load = {};
  load.progress_context = &seen;
  load.progress = [](void* context, uint64_t, uint64_t) {
    auto* s = static_cast<Seen*>(context);
    s->most = std::max(s->most, open_files(s->begin));
  };
  uint64_t ours = 1;
  KIGO_REQUIRE_CUDA(round(tiny.desc(), &load, &ours));
  CHECK(seen.most == 1);  // so small a model has one reader

  // One that is not what it was is found out though no tensor lies in it.
  tiny.files[0].mtime_ms += 1000;
  CHECK(round(tiny.desc(), &kQuiet, &ours) == KIGO_MODEL_FILE_CHANGED);
  for (const std::string& path : paths) std::filesystem::remove(path);
}

TEST_CASE("cuda: rows longer than what is read at once are loaded whole") {
  const auto load_rows = cuda_function<LoadRows>("cuda_load_rows");
  if (load_rows == nullptr) return;
  const int64_t n_rows = 3, n_in = (9 << 20) / 4;  // 9 MiB each
  std::vector<float> written(static_cast<size_t>(n_rows * n_in)), read(written.size(), NAN);
  for (size_t i = 0; i < written.size(); ++i) written[i] = static_cast<float>(i % 8191) - 4000;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kigo-rows-" + std::to_string(getpid()) + ".bin");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(written.data()), static_cast<std::streamsize>(written.size() * 4));
  const FileIdentity now = identify(path.string());
  const kigo_file file = {now.path.c_str(), now.bytes, now.mtime_ms};
  KIGO_REQUIRE_CUDA(load_rows(&file, n_rows, n_in, read.data()));
  CHECK(std::memcmp(read.data(), written.data(), written.size() * sizeof(float)) == 0);
  std::filesystem::remove(path);
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
