#include "core/generate.h"

#include <algorithm>
#include <chrono>
#include <exception>

namespace kigo {

namespace {

using Clock = std::chrono::steady_clock;

/// Backends compute a handful of rows as they decode, and more of them in panels, which rounds otherwise. A prompt's
/// rows go the second way always, so that its text does not depend on what the cache held.
constexpr size_t kFewestRows = 8;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool cancelled(const kigo_cancel& cancel) { return cancel.poll != nullptr && cancel.poll(cancel.context) != 0; }

kigo_forward forward_of(const int32_t* tokens, size_t n, int32_t logits, const kigo_cancel& cancel) {
  kigo_forward request = {};
  request.struct_size = sizeof request;
  request.tokens = tokens;
  request.n_tokens = static_cast<int32_t>(n);
  request.logits = logits;
  request.cancel = cancel;
  return request;
}

}  // namespace

Session::Session(Chain& chain, int32_t n_ctx, int32_t n_batch) : n_ctx_(n_ctx), n_batch_(n_batch) {
  const kigo_session_options options = {sizeof options, n_ctx, n_batch};
  const std::vector<Placement>& placements = chain.placements();
  for (size_t i = 0; i < placements.size(); ++i) {
    const Placement& p = placements[i];
    kigo_session* session = nullptr;
    p.check(p.api->session_open(chain.model(i), &options, &session));
    parts_.push_back({&p, {session, p.api->session_close}});
  }
  for (size_t i = 0; i + 1 < parts_.size() && i < 2; ++i) {
    hidden_[i] = Block(chain.hand_over(), hand_over_bytes(2, chain.n_embd(), n_batch), "what passes between devices");
  }
}

/** A batch counts when it went through all parts. */
int32_t Session::length() const {
  int32_t length = 0;
  last().check(last().api().session_length(last().session.get(), &length));
  return length;
}

void Session::truncate(int32_t length) {
  for (const Part& part : parts_) part.check(part.api().session_truncate(part.session.get(), length));
  tokens_.resize(static_cast<size_t>(length));
}

/**
 * Where a part fails, those in front of it are ahead by this batch. That needs no mending here: the last part's length
 * is the session's, and whatever is done next begins by cutting all parts to a length.
 */
void Session::forward(const kigo_forward& request) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    kigo_forward of_part = request;
    if (i > 0) of_part.hidden_in = hidden_[(i - 1) % 2].at<float>(0);
    if (i + 1 < parts_.size()) {
      of_part.hidden_out = hidden_[i % 2].at<float>(0);
      of_part.logits = KIGO_LOGITS_NONE;
      of_part.logits_out = nullptr;
      of_part.on_rows = nullptr;
      of_part.targets = nullptr;
      of_part.logprobs_out = nullptr;
    }
    part.check(part.api().forward(part.session.get(), &of_part));
  }
  tokens_.insert(tokens_.end(), request.tokens, request.tokens + request.n_tokens);
}

/**
 * Appends the token that was drawn before (-1: none yet) and draws the next. A backend that holds all can run ahead,
 * which a reply of one token must not ask for: the next prompt would wait for a step that nobody reads.
 */
void Session::decode(int32_t previous, bool only, const kigo_cancel& cancel, kigo_token_record& record) {
  if (parts_.size() == 1 && !only) {
    last().check(last().api().decode_next(last().session.get(), &cancel, &record));
    if (previous >= 0) tokens_.push_back(previous);
    return;
  }
  if (previous >= 0) forward(forward_of(&previous, 1, KIGO_LOGITS_LAST, cancel));
  last().check(last().api().sample(last().session.get(), &record));
}

void Session::expect_room(size_t n_tokens, size_t n_reply) const {
  if (n_tokens == 0) throw Error(KIGO_INVALID_INPUT, "The prompt holds no token.");
  if (n_tokens + n_reply <= static_cast<size_t>(n_ctx_)) return;
  throw Error(KIGO_PROMPT_TOO_LONG,
              "The prompt has " + std::to_string(n_tokens) + " tokens; the context of " + std::to_string(n_ctx_) +
                  " leaves no room for " + (n_reply > 0 ? "a reply." : "them."),
              {{"tokens", n_tokens}, {"nCtx", n_ctx_}});
}

GenerateResult Session::generate(const GenerateRequest& request) {
  const Clock::time_point start = Clock::now();
  const std::vector<int32_t>& prompt = request.tokens;
  expect_room(prompt.size(), 1);

  // A run that failed may have left the cache shorter than it was known to be.
  tokens_.resize(std::min(tokens_.size(), static_cast<size_t>(length())));
  // What the cache shares with the prompt stays, but for the prompt's last few tokens.
  const size_t again = std::min(prompt.size(), kFewestRows);
  const size_t limit = std::min(prompt.size() - again, tokens_.size());
  const size_t cached = static_cast<size_t>(
      std::mismatch(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(limit), tokens_.begin()).first -
      prompt.begin());
  truncate(static_cast<int32_t>(cached));

  const size_t fewest = std::min(kFewestRows, static_cast<size_t>(n_batch_));
  GenerateResult result;
  result.cached_tokens = static_cast<int64_t>(cached);
  result.reason = GenerateResult::Reason::cancelled;
  // Said before the first batch too: of a large model on a CPU that takes seconds.
  const auto tell = [&](size_t done) {
    if (!request.on_prefill) return;
    request.on_prefill(static_cast<int64_t>(done), static_cast<int64_t>(prompt.size()), result.cached_tokens);
  };
  try {
    tell(cached);
    for (size_t done = cached; done < prompt.size();) {
      if (cancelled(request.cancel)) return result;
      size_t n = std::min(prompt.size() - done, static_cast<size_t>(n_batch_));
      if (n < fewest) {  // the last ones: the rows in front of them go along, computed again
        const size_t along = std::min(fewest - n, done);
        done -= along;
        n += along;
        truncate(static_cast<int32_t>(done));
        result.prompt_tokens -= static_cast<int64_t>(along);
      }
      const bool last = done + n == prompt.size();
      forward(forward_of(&prompt[done], n, last ? KIGO_LOGITS_LAST : KIGO_LOGITS_NONE, request.cancel));
      done += n;
      result.prompt_tokens += static_cast<int64_t>(n);
      result.prompt_ms = ms_since(start);
      tell(done);
    }

    kigo_sampling sampling = request.sampling;
    sampling.exempt = request.exempt_tokens.data();
    sampling.n_exempt = static_cast<int32_t>(request.exempt_tokens.size());
    last().check(last().api().sampling_begin(last().session.get(), &sampling));
    Clock::time_point first;
    for (int32_t previous = -1;;) {
      if (cancelled(request.cancel)) break;
      kigo_token_record record;
      decode(previous, request.max_tokens == 1, request.cancel, record);
      previous = record.id;
      if (std::binary_search(request.end_tokens.begin(), request.end_tokens.end(), record.id)) {
        result.reason = GenerateResult::Reason::end;
        break;
      }
      if (result.tokens == 0) {
        first = Clock::now();
        result.first_token_ms = ms_since(start);
      }
      ++result.tokens;
      result.decode_ms = ms_since(first);
      if (request.on_token) request.on_token(record);
      if (result.tokens == request.max_tokens) {
        result.reason = GenerateResult::Reason::length;
        break;
      }
      if (static_cast<int64_t>(prompt.size()) + result.tokens == n_ctx_) {
        result.reason = GenerateResult::Reason::context;
        break;
      }
    }
  } catch (const Error& error) {
    if (error.status() != KIGO_CANCELLED) throw;
  }
  last().check(last().api().decode_end(last().session.get()));
  return result;
}

void Session::logits(const std::vector<int32_t>& tokens, const kigo_cancel& cancel,
                     const std::function<bool(int32_t, int32_t, const float*)>& on_rows) {
  expect_room(tokens.size(), 0);
  truncate(0);
  // No exception crosses the ABI: what the callback throws ends the call there and comes out here.
  struct Rows {
    const std::function<bool(int32_t, int32_t, const float*)>& on_rows;
    int32_t from;
    std::exception_ptr thrown;
  };
  for (size_t done = 0; done < tokens.size();) {
    const size_t n = std::min(tokens.size() - done, static_cast<size_t>(n_batch_));
    kigo_forward request = forward_of(&tokens[done], n, KIGO_LOGITS_ALL, cancel);
    Rows rows = {on_rows, static_cast<int32_t>(done), nullptr};
    request.rows_context = &rows;
    request.on_rows = [](void* context, int32_t first, int32_t n_rows, const float* values) {
      Rows& r = *static_cast<Rows*>(context);
      try {
        return r.on_rows(r.from + first, n_rows, values) ? 0 : 1;
      } catch (...) { r.thrown = std::current_exception(); }
      return 1;
    };
    try {
      forward(request);
    } catch (const Error&) {
      if (rows.thrown) std::rethrow_exception(rows.thrown);
      throw;
    }
    done += n;
  }
}

std::vector<double> Session::score(const std::vector<int32_t>& tokens, const kigo_cancel& cancel) {
  expect_room(tokens.size(), 0);
  truncate(0);
  std::vector<int32_t> targets(tokens.begin() + 1, tokens.end());
  targets.push_back(-1);
  std::vector<double> logprobs(tokens.size());
  for (size_t done = 0; done < tokens.size();) {
    const size_t n = std::min(tokens.size() - done, static_cast<size_t>(n_batch_));
    kigo_forward request = forward_of(&tokens[done], n, KIGO_LOGITS_ALL, cancel);
    request.targets = &targets[done];
    request.logprobs_out = &logprobs[done];
    forward(request);
    done += n;
  }
  logprobs.pop_back();
  return logprobs;
}

}  // namespace kigo
