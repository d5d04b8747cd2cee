#include "binding/model_thread.h"

#include <pthread.h>

#include <algorithm>
#include <thread>

namespace kigo::binding {

void ModelThread::start(Open open, std::function<void()> opened, std::function<void()> failed) {
  std::thread([self = shared_from_this(), open = std::move(open), opened = std::move(opened),
               failed = std::move(failed)] {
    self->run(open, opened, failed);
  }).detach();
}

void ModelThread::run(const Open& open, const std::function<void()>& opened, const std::function<void()>& failed) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), "kigo-model");
#endif
  try {
    std::unique_ptr<Chain> model = open();
    {
      const std::lock_guard lock(model_mutex_);
      model_ = std::move(model);
    }
    opened();
    work();
  } catch (...) {
    stopping_.store(true);
    failed();
  }
  finish();
}

void ModelThread::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping() || !jobs_.empty(); });
      if (stopping()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.run();
  }
}

void ModelThread::finish() {
  for (const auto& state : sessions) state->session.reset();
  sessions.clear();
  std::unique_ptr<Chain> ending;
  {
    const std::lock_guard lock(model_mutex_);
    ending.swap(model_);
  }
  ending.reset();
  std::deque<Job> refused;
  std::vector<std::function<void()>> callbacks;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    refused.swap(jobs_);
    callbacks.swap(on_finished_);
  }
  for (const Job& job : refused) job.refuse();
  for (const auto& callback : callbacks) callback();
  changed_.notify_all();
}

void ModelThread::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (!finished_) {
      jobs_.push_back(std::move(job));  // one that comes while stopping is refused at the end
      changed_.notify_all();
      return;
    }
  }
  job.refuse();
}

void ModelThread::stop() {
  const std::lock_guard lock(mutex_);
  stopping_.store(true);
  changed_.notify_all();
}

void ModelThread::when_finished(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!finished_) {
      on_finished_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

bool ModelThread::wait_finished(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return finished_; });
}

ChainMemory ModelThread::tally() {
  const std::lock_guard lock(model_mutex_);
  return model_ ? model_->tally() : ChainMemory{};
}

}  // namespace kigo::binding
