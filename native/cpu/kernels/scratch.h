/// Working memory that a caller lends to a kernel, so that kernels never allocate.
#pragma once
#include <cassert>
#include <cstddef>

namespace kigo::cpu {

/// 64-byte aligned memory. A kernel may use all of it from the start of its call to its end.
struct Scratch {
  std::byte* data = nullptr;
  size_t bytes = 0;
};

/// Hands out 64-byte aligned pieces of a Scratch, one behind the other.
class Arena {
 public:
  explicit Arena(Scratch scratch) : scratch_(scratch) {}

  template <class T>
  T* take(size_t count) {
    T* piece = reinterpret_cast<T*>(scratch_.data + used_);
    used_ += aligned(count * sizeof(T));
    assert(used_ <= scratch_.bytes);
    return piece;
  }

  static constexpr size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  Scratch scratch_;
  size_t used_ = 0;
};

}  // namespace kigo::cpu
