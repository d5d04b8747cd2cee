/** A model file as it was when its header was read: opened and read only as long as it is still that file. */
#pragma once

#include <cstdint>
#include <string>

#include "core/description.h"

namespace kigo {

class ModelFile {
 public:
  /** Throws MODEL_NOT_FOUND, MODEL_UNREADABLE, or MODEL_FILE_CHANGED (size or time differ from `identity`). */
  explicit ModelFile(const FileIdentity& identity);
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  int descriptor() const { return descriptor_; }

  /** Reads [offset, offset + bytes). Throws MODEL_FILE_CHANGED where the file ends before, or MODEL_UNREADABLE. */
  void read(uint64_t offset, uint64_t bytes, void* to) const;

 private:
  FileIdentity identity_;
  int descriptor_ = -1;
};

/** The file that is there now. Throws MODEL_NOT_FOUND or MODEL_UNREADABLE. */
FileIdentity identify(const std::string& path);

/** One look at the file system. Throws as ModelFile's constructor does. */
void expect_unchanged(const FileIdentity& identity);

/** Throws MODEL_NOT_FOUND or MODEL_UNREADABLE, as the system's error number says. */
[[noreturn]] void refuse_file(const FileIdentity& file, int error);

/** Throws MODEL_FILE_CHANGED; `how` completes "The model file …". */
[[noreturn]] void file_changed(const FileIdentity& file, const char* how);

}  // namespace kigo
