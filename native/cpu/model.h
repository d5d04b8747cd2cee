/** A model on the CPU: mapped weights, threads, and what its sessions share. */
#pragma once

#include <memory>
#include <vector>

#include "core/description.h"
#include "core/mapped_file.h"
#include "core/memory.h"
#include "core/rope.h"
#include "cpu/context.h"
#include "kigo/abi.h"

namespace kigo::cpu {

using CpuWeights = Weights<Matrix, const float*>;

class Model {
 public:
  /** As kigo_backend_api::model_open. */
  Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load);

  const ModelConfig& config() const { return description_.config; }
  LayerRange range() const { return description_.range; }
  const BoundWeights& bound() const { return description_.weights; }
  const CpuWeights& weights() const { return weights_; }
  const RopeGroups& ropes() const { return rope_groups_; }
  const RopeFrequencies& rope(int64_t group) const { return ropes_[static_cast<size_t>(group)]; }
  Precision precision() const { return precision_; }
  ThreadPool& pool() { return *pool_; }
  /** That were asked for, and that memory is planned for; the pool has fewer where the system starts no more. */
  int n_threads() const { return n_threads_; }
  Tally& tally() { return tally_; }

  /** Throws MODEL_FILE_CHANGED where mapped pages have vanished: one atomic load a file. */
  void expect_weights_whole() const;
  /** Throws MODEL_NOT_FOUND or MODEL_FILE_CHANGED: one look at the file system a file. */
  void expect_files_unchanged() const;

 private:
  void prefault(const kigo_load* load) const;
  void copy_vectors();
  void point_weights();

  Description description_;
  Precision precision_;
  Tally tally_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  Counted mapped_weights_;
  Block vectors_;  // every vector of the file as float32
  CpuWeights weights_;
  RopeGroups rope_groups_;
  std::vector<RopeFrequencies> ropes_;
  int n_threads_ = 1;
  std::unique_ptr<ThreadPool> pool_;
};

/** What this twin cannot run though the description is sound. Throws UNSUPPORTED_ARCHITECTURE. */
void expect_runnable(const ModelConfig& config);

/** Threads that `options.threads` means: 0 is the physical cores that the process may use. */
int thread_count(const kigo_model_options& options);

}  // namespace kigo::cpu
