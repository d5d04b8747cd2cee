/// Software prefetching of weights, which are read once and in order.
#pragma once
#include <cstdint>

/// Asks for `bytes` bytes that lie kigo_prefetch_distance behind p. `static` and inlined always: left as a call it has
/// no effect that the compiler knows of, and is dropped.
///
/// The processor's own prefetching alone reads 16–28 GB/s a core here and with this 30–40 (EPYC Zen 5, weights from
/// memory; 4 KB ahead: 21–30; 12 and 16 KB: as 8; into the second-level cache alone: 18–32).
static constexpr int64_t kigo_prefetch_distance = 8192;

#if defined(__GNUC__)
static inline __attribute__((always_inline)) void kigo_prefetch(const void* p, int64_t bytes) {
  const char* ahead = static_cast<const char*>(p) + kigo_prefetch_distance;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(ahead + i);
}
#else
static inline void kigo_prefetch(const void*, int64_t) {}
#endif
