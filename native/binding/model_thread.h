/**
 * The thread that owns a model: everything that touches the backend runs on it, one job after the other.
 *
 * It is never joined by the JS thread. Whoever wants its end asks for it (`stop`) and is told (`when_finished`);
 * the environment's cleanup hook alone waits, with a limit. The object lives as long as the thread or anybody
 * who may still post to it.
 */
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/generate.h"

namespace kigo::binding {

/** What the JS thread and the model's thread share of a session. */
struct SessionState {
  std::unique_ptr<Session> session;  // model thread only; NULL: closed
  std::atomic<int32_t> length{0};
  std::atomic<bool> closing{false};
  bool busy = false;  // JS thread only: a generation, logits or score is under way
};

class ModelThread : public std::enable_shared_from_this<ModelThread> {
 public:
  struct Job {
    std::function<void()> run;     // on the model's thread
    std::function<void()> refuse;  // instead, where the model was closed first; on either thread
  };

  using Open = std::function<std::unique_ptr<Chain>()>;

  /**
   * Starts the thread; `open` is its first job and ends the thread by throwing: `failed` is called while that exception
   * is being handled. Throws where the system starts no thread; nothing is called then.
   */
  void start(Open open, std::function<void()> opened, std::function<void()> failed);

  // Any thread.
  void post(Job job);
  /** Cancels what runs, refuses what waits, closes sessions and model. Returns at once; idempotent. */
  void stop();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  /** Calls back once all of that is done; at once if it is already. */
  void when_finished(std::function<void()> callback);
  /** False: still running at the deadline. */
  bool wait_finished(std::chrono::steady_clock::time_point deadline);
  /** Of no parts once the model is closed. */
  ChainMemory tally();

  // Model thread only.
  Chain& model() const { return *model_; }
  std::vector<std::shared_ptr<SessionState>> sessions;

 private:
  void run(const Open& open, const std::function<void()>& opened, const std::function<void()>& failed);
  void work();
  void finish();

  std::unique_ptr<Chain> model_;
  std::mutex model_mutex_;  // around what other threads may ask of model_; its end, which takes long, is behind that

  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool finished_ = false;
  std::vector<std::function<void()>> on_finished_;
};

/** Why a job should stop: its own token, its session or the model being closed. Outlives the call it is given to. */
struct JobCancel {
  const ModelThread* thread;
  const SessionState* session;  // may be NULL
  std::shared_ptr<std::atomic<bool>> token;

  bool asked() const {
    return token->load(std::memory_order_relaxed) || thread->stopping() ||
           (session != nullptr && session->closing.load(std::memory_order_relaxed));
  }
  kigo_cancel c() {
    return {[](void* self) { return static_cast<JobCancel*>(self)->asked() ? 1 : 0; }, this};
  }
};

}  // namespace kigo::binding
