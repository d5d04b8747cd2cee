#include "core/chain.h"

#include <algorithm>

namespace kigo {

namespace {

[[noreturn]] void bad_placements(const std::string& why) {
  throw Error(KIGO_INVALID_INPUT, "The layers cannot be laid out like this: " + why);
}

void check_placements(const std::vector<Placement>& placements, const kigo_config* config) {
  if (config == nullptr) bad_placements("there is no configuration.");
  if (placements.empty()) bad_placements("no device was named.");
  int32_t next = 0;
  for (const Placement& p : placements) {
    if (p.layer_first != next || p.layer_last <= p.layer_first) {
      bad_placements("layers " + std::to_string(p.layer_first) + " to " + std::to_string(p.layer_last) + " on " + p.id +
                     " do not follow layer " + std::to_string(next) + ".");
    }
    next = p.layer_last;
  }
  if (next != config->n_layer) {
    bad_placements(std::to_string(next) + " of " + std::to_string(config->n_layer) + " layers have a device.");
  }
}

kigo_model_options options_of(kigo_model_options options, const Placement& placement) {
  options.device = placement.device;
  options.layer_first = placement.layer_first;
  options.layer_last = placement.layer_last;
  return options;
}

/** One part's progress as a share of that of all parts. */
struct Progress {
  const kigo_load& load;
  uint64_t before;  // weights of the parts that are loaded
  uint64_t weights;
  uint64_t total;

  void report(uint64_t done, uint64_t of) const {
    const double share = of == 0 ? 1 : static_cast<double>(done) / static_cast<double>(of);
    const auto now = static_cast<uint64_t>(share * static_cast<double>(weights));
    load.progress(load.progress_context, before + std::min(now, weights), total);
  }
};

}  // namespace

void check(const kigo_backend_api& api, kigo_status status) {
  if (status != KIGO_OK) throw to_exception(*api.last_error());
}

void expect_abi(const kigo_backend_api* api, const char* path) {
  if (api != nullptr && api->abi_version == KIGO_ABI_VERSION && api->struct_size == sizeof(kigo_backend_api)) return;
  throw Error(KIGO_DEVICE_UNAVAILABLE,
              "The backend library was built for another version of Kigo" +
                  (api == nullptr ? std::string()
                                  : " (its interface is " + std::to_string(api->abi_version) + ", " +
                                        std::to_string(KIGO_ABI_VERSION) + " is needed)") +
                  ": " + path,
              {{"path", path}});
}

void Placement::check(kigo_status status) const {
  if (status == KIGO_OK) return;
  const Error error = to_exception(*api->last_error());
  const bool of_device =
      status == KIGO_OUT_OF_MEMORY || status == KIGO_DEVICE_LOST || status == KIGO_DEVICE_UNAVAILABLE;
  std::vector<Detail> details = error.details();
  const bool named = std::any_of(details.begin(), details.end(), [](const Detail& d) { return d.key == "device"; });
  if (of_device && !named) details.emplace_back("device", id);
  throw Error(status, error.message(), std::move(details));
}

kigo_memory ChainMemory::total() const {
  kigo_memory sum = {0, 0, hand_over};
  for (const kigo_memory& part : parts) {
    sum.weights += part.weights;
    sum.kv += part.kv;
    sum.workspace += part.workspace;
  }
  return sum;
}

uint64_t hand_over_bytes(size_t n_parts, int64_t n_embd, int64_t n_batch) {
  const uint64_t buffers = std::min<size_t>(n_parts - 1, 2);
  return buffers * static_cast<uint64_t>(n_embd) * static_cast<uint64_t>(n_batch) * sizeof(float);
}

ChainMemory plan_chain(const kigo_model_desc& desc, const kigo_model_options& options,
                       const std::vector<Placement>& placements, int32_t n_ctx, int32_t n_batch) {
  const kigo_session_options session = {sizeof session, n_ctx, n_batch};
  ChainMemory memory;
  for (const Placement& p : placements) {
    const kigo_model_options part = options_of(options, p);
    p.check(p.api->plan(&desc, &part, &session, &memory.parts.emplace_back()));
  }
  if (!placements.empty()) memory.hand_over = hand_over_bytes(placements.size(), desc.config->n_embd, n_batch);
  return memory;
}

Chain::Chain(const kigo_model_desc& desc, const kigo_model_options& options, std::vector<Placement> placements,
             const kigo_load& load)
    : placements_(std::move(placements)), n_embd_(desc.config == nullptr ? 0 : desc.config->n_embd) {
  const ChainMemory plan = plan_chain(desc, options, placements_, 1, 1);  // the backends judge the description first
  check_placements(placements_, desc.config);
  const uint64_t total = plan.total().weights;
  uint64_t before = 0;
  for (size_t i = 0; i < placements_.size(); ++i) {
    const Placement& p = placements_[i];
    const kigo_model_options part = options_of(options, p);
    Progress progress = {load, before, plan.parts[i].weights, total};
    kigo_load of_part = load;
    if (load.progress != nullptr) {
      of_part.progress_context = &progress;
      of_part.progress = [](void* self, uint64_t done, uint64_t of) { static_cast<Progress*>(self)->report(done, of); };
    }
    kigo_model* model = nullptr;
    p.check(p.api->model_open(&desc, &part, &of_part, &model));
    models_.emplace_back(model, p.api->model_close);
    before += plan.parts[i].weights;
  }
}

ChainMemory Chain::tally() const {
  ChainMemory memory;
  for (size_t i = 0; i < models_.size(); ++i) {
    const Placement& p = placements_[i];
    p.check(p.api->model_tally(models_[i].get(), &memory.parts.emplace_back()));
  }
  memory.hand_over = hand_over_.load();
  return memory;
}

}  // namespace kigo
