#include "core/model_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>

#include "core/error.h"

namespace kigo {

namespace {

/** As Node computes fs.Stats.mtimeMs. */
double mtime_ms(const struct stat& file) {
#ifdef __APPLE__
  const timespec& time = file.st_mtimespec;
#else
  const timespec& time = file.st_mtim;
#endif
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

void expect_same(const FileIdentity& file, const struct stat& now) {
  if (!S_ISREG(now.st_mode)) {
    throw Error(KIGO_MODEL_UNREADABLE, "This is not a file: " + file.path, {{"path", file.path}});
  }
  if (static_cast<uint64_t>(now.st_size) != file.bytes) {
    file_changed(file, "has another size than when its header was read");
  }
  // A microsecond of slack for the rounding of a double.
  if (std::abs(mtime_ms(now) - file.mtime_ms) > 1e-3) file_changed(file, "was written to since its header was read");
}

}  // namespace

void refuse_file(const FileIdentity& file, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    throw Error(KIGO_MODEL_NOT_FOUND, "The model file is not there any more: " + file.path, {{"path", file.path}});
  }
  throw Error(KIGO_MODEL_UNREADABLE,
              "The model file cannot be read (" + std::string(std::strerror(error)) + "): " + file.path,
              {{"path", file.path}});
}

void file_changed(const FileIdentity& file, const char* how) {
  throw Error(KIGO_MODEL_FILE_CHANGED, std::string("The model file ") + how + ": " + file.path, {{"path", file.path}});
}

FileIdentity identify(const std::string& path) {
  FileIdentity file = {.path = path, .bytes = 0, .mtime_ms = 0};
  struct stat now = {};
  if (stat(path.c_str(), &now) != 0) refuse_file(file, errno);
  file.bytes = static_cast<uint64_t>(now.st_size);
  file.mtime_ms = mtime_ms(now);
  return file;
}

void expect_unchanged(const FileIdentity& identity) {
  struct stat now = {};
  if (stat(identity.path.c_str(), &now) != 0) refuse_file(identity, errno);
  expect_same(identity, now);
}

ModelFile::ModelFile(const FileIdentity& identity)
    : identity_(identity), descriptor_(open(identity.path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) refuse_file(identity, errno);
  try {
    struct stat now = {};
    if (fstat(descriptor_, &now) != 0) refuse_file(identity, errno);
    expect_same(identity, now);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

ModelFile::~ModelFile() { close(descriptor_); }

void ModelFile::read(uint64_t offset, uint64_t bytes, void* to) const {
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t n =
        pread(descriptor_, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
    if (n == 0) file_changed(identity_, "was cut short while it was read");
    if (n < 0 && errno != EINTR) refuse_file(identity_, errno);
    if (n > 0) done += static_cast<uint64_t>(n);
  }
}

}  // namespace kigo
