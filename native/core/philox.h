/** Philox4x32-10 (Salmon et al. 2011): random numbers as a pure function of (seed, position), on any device. */
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define KIGO_HOST_DEVICE __host__ __device__
#else
#define KIGO_HOST_DEVICE
#endif

namespace kigo {

struct PhiloxCounter {
  uint32_t word[4];
  bool operator==(const PhiloxCounter&) const = default;
};

struct PhiloxKey {
  uint32_t word[2];
};

KIGO_HOST_DEVICE inline PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter.word[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key.word[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key.word[1], static_cast<uint32_t>(a)};
    key.word[0] += 0x9E3779B9;
    key.word[1] += 0xBB67AE85;
  }
  return counter;
}

/** 53 random bits for the token at `position`. */
KIGO_HOST_DEVICE inline uint64_t philox_bits(uint64_t seed, uint64_t position) {
  const PhiloxCounter r = philox4x32({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0},
                                     {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return (uint64_t{r.word[0]} << 32 | r.word[1]) >> 11;
}

/** The same as a number, uniform in [0, 1). */
KIGO_HOST_DEVICE inline double philox_uniform(uint64_t seed, uint64_t position) {
  return static_cast<double>(philox_bits(seed, position)) * 0x1p-53;
}

}  // namespace kigo
