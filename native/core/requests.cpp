#include "core/requests.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace kigo {

namespace {

std::string text(int64_t n) { return std::to_string(n); }

}  // namespace

void bad_call(const std::string& what) { throw Error(KIGO_INVALID_INPUT, what); }

void check_session_options(const kigo_session_options* options) {
  if (options == nullptr || options->struct_size != sizeof(kigo_session_options)) {
    bad_call("kigo_session_options has the wrong size.");
  }
  if (options->n_ctx < 1) bad_call("The context length must be at least 1.");
  if (options->n_batch < 1 || options->n_batch > options->n_ctx) bad_call("The batch must be 1 to the context length.");
}

void check_forward(const kigo_forward& request, const ModelConfig& config, LayerRange range, int64_t length,
                   int64_t n_ctx, int64_t n_batch) {
  if (request.struct_size != sizeof(kigo_forward)) bad_call("kigo_forward has the wrong size.");
  if (request.tokens == nullptr || request.n_tokens < 1 || request.n_tokens > n_batch) {
    bad_call("A batch must hold 1 to " + text(n_batch) + " tokens.");
  }
  for (int32_t i = 0; i < request.n_tokens; ++i) {
    if (request.tokens[i] < 0 || request.tokens[i] >= config.n_vocab) {
      bad_call("There is no token " + text(request.tokens[i]) + " in a vocabulary of " + text(config.n_vocab) + ".");
    }
  }
  if (request.n_tokens > n_ctx - length) {
    throw Error(KIGO_PROMPT_TOO_LONG,
                "The context of " + text(n_ctx) + " tokens has no room for " + text(request.n_tokens) + " more.",
                {{"tokens", length + request.n_tokens}, {"nCtx", n_ctx}});
  }

  const bool has_head = range.has_head(config);
  if ((request.hidden_in == nullptr) != range.embeds()) bad_call("hidden_in does not fit the model's layers.");
  if ((request.hidden_out == nullptr) != has_head) bad_call("hidden_out does not fit the model's layers.");
  if (request.logits < KIGO_LOGITS_NONE || request.logits > KIGO_LOGITS_ALL) bad_call("Unknown logits mode.");
  if (request.logits != KIGO_LOGITS_NONE && !has_head) bad_call("The model does not hold the LM head.");

  if ((request.targets == nullptr) != (request.logprobs_out == nullptr))
    bad_call("targets and logprobs_out go together.");
  if (request.logits == KIGO_LOGITS_ALL && request.on_rows == nullptr && request.targets == nullptr) {
    bad_call("Somebody must take the logits: on_rows or targets.");
  }
  for (int32_t i = 0; request.targets != nullptr && i < request.n_tokens; ++i) {
    if (request.targets[i] < -1 || request.targets[i] >= config.n_vocab) {
      bad_call("There is no token " + text(request.targets[i]) + " to score.");
    }
  }
}

void check_sampling(const kigo_sampling& s) {
  const auto within = [](float value, float low, float high) { return value >= low && value <= high; };  // false: NaN
  if (s.struct_size != sizeof(kigo_sampling)) bad_call("kigo_sampling has the wrong size.");
  if (!within(s.temperature, 0, 100)) bad_call("The temperature must be 0 to 100.");
  if (s.top_k < 0) bad_call("top_k must not be negative.");
  if (!within(s.top_p, 0, 1)) bad_call("top_p must be 0 to 1.");
  if (!within(s.min_p, 0, 1)) bad_call("min_p must be 0 to 1.");
  if (!within(s.repeat_penalty, 0.001f, 1000)) bad_call("The repeat penalty must be 0.001 to 1000.");
  if (s.repeat_last_n < 0) bad_call("repeat_last_n must not be negative.");
  if (!within(s.presence_penalty, -1000, 1000)) bad_call("The presence penalty must be -1000 to 1000.");
  if (!within(s.frequency_penalty, -1000, 1000)) bad_call("The frequency penalty must be -1000 to 1000.");
  if (s.n_top < 0 || s.n_top > KIGO_MAX_TOP) bad_call("n_top must be 0 to " + text(KIGO_MAX_TOP) + ".");
  if (s.n_exempt < 0 || (s.n_exempt > 0 && s.exempt == nullptr) || !std::is_sorted(s.exempt, s.exempt + s.n_exempt)) {
    bad_call("The tokens that no penalty touches must be a list in ascending order.");
  }
}

void KeptSampling::keep(const kigo_sampling& sampling) {
  check_sampling(sampling);
  std::vector<int32_t> exempt(sampling.exempt, sampling.exempt + sampling.n_exempt);
  exempt_ = std::move(exempt);
  settings_ = sampling;
  settings_.exempt = exempt_.data();
}

void check_truncate(int32_t length, int32_t now) {
  if (length < 0 || length > now) {
    bad_call("The cache holds " + text(now) + " tokens; it cannot be cut to " + text(length) + ".");
  }
}

void poll_cancel(const kigo_cancel& cancel) {
  if (cancel.poll != nullptr && cancel.poll(cancel.context) != 0) throw Error(KIGO_CANCELLED, "Cancelled.");
}

}  // namespace kigo
