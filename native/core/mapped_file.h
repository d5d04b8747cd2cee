/**
 * A model file in memory, read-only, and what happens when it changes under us.
 *
 * Reading a page that a shrunken file (or a failing disk) no longer has raises SIGBUS. The handler puts empty
 * pages in place of the rest of that mapping and marks it lost: whoever was reading goes on over zeros and finds
 * the mark at its next check, so nothing crashes and no frame is jumped over.
 */
#pragma once

#include <cstdint>
#include <functional>

#include "core/description.h"

namespace kigo {

class MappedFile {
 public:
  /** Throws MODEL_NOT_FOUND, MODEL_UNREADABLE, or MODEL_FILE_CHANGED (size or time differ from `identity`). */
  explicit MappedFile(const FileIdentity& identity);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const uint8_t* data() const { return data_; }
  uint64_t bytes() const { return identity_.bytes; }

  /**
   * Reads one byte of every page of [offset, offset + bytes), so that later steps need no disk.
   * `step(done)` is called about every 8 MiB with the bytes done of this range; it may throw.
   */
  void prefault(uint64_t offset, uint64_t bytes, const std::function<void(uint64_t done)>& step) const;

  /** Throws MODEL_FILE_CHANGED where pages have vanished since; costs one atomic load. */
  void expect_whole() const;
  /** Throws as expect_whole and the constructor do: one look at the file system. */
  void expect_unchanged() const;

 private:
  FileIdentity identity_;
  const uint8_t* data_ = nullptr;
  int guard_ = -1;  // place in the table of guarded mappings
};

}  // namespace kigo
