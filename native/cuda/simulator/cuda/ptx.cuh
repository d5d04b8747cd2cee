/** The functions of cuda/ptx.cuh on a CPU, as NVIDIA's "PTX ISA" describes their instructions. */
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda/simulator/device.h"

namespace kigo::cuda {

inline void release_consumer() {}
inline void wait_for_producer() { simulator::wait_for_kernels_in_front(); }

template <class T>
T loaded(const void* from) {
  T v;
  if (reinterpret_cast<uintptr_t>(from) % sizeof v != 0) simulator::stop(simulator::Fault::misaligned_address);
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline uint4 stream_16(const uint8_t* from) { return loaded<uint4>(from); }
inline uint2 stream_8(const uint8_t* from) { return loaded<uint2>(from); }
inline uint32_t stream_4(const uint8_t* from) { return loaded<uint32_t>(from); }
inline uint16_t stream_2(const uint8_t* from) { return loaded<uint16_t>(from); }
inline uint4 load_16(const void* from) { return loaded<uint4>(from); }
inline uint4 load_shared_16(const void* from) { return loaded<uint4>(from); }

template <class T>
void publish(T* to, const std::type_identity_t<T>& v) {
  const simulator::checks::Relaxed relaxed;
  *to = v;
}
template <class T>
T peek(const T* from) {
  const simulator::checks::Relaxed relaxed;
  return loaded<T>(from);
}

template <uint32_t value>
uint32_t in_register() {
  return value;
}

inline int dp4a_unsigned(uint32_t a, uint32_t b, int sum) {
  for (int i = 0; i < 4; ++i) sum += static_cast<int>(a >> 8 * i & 255) * static_cast<int8_t>(b >> 8 * i);
  return sum;
}

/** Copies are done when their group is waited for, as late as a GPU may do them. */
inline void copy_16(void* shared, const void* global, bool valid) {
  const uint4 v = valid ? loaded<uint4>(global) : uint4{0, 0, 0, 0};
  if (reinterpret_cast<uintptr_t>(shared) % sizeof v != 0) simulator::stop(simulator::Fault::misaligned_address);
  simulator::copy_later(shared, v);
}
inline void copies_commit() { simulator::end_group_of_copies(); }
template <int pending>
void copies_wait() {
  simulator::finish_copies(pending);
}

/** Row r of matrix m lies where lane 8m + r says; lane i gets row i/4, columns 2·(i%4) and the next, of each. */
inline void load_matrices(uint32_t (&to)[4], const void* row) {
  const auto& all = simulator::exchange(simulator::kMatrices, ~0u, row);
  for (unsigned m = 0; m < 4; ++m) {
    const auto* from = simulator::brought_by<const uint8_t*>(all, 8 * m + simulator::lane() / 4);
    to[m] = loaded<uint32_t>(from + simulator::lane() % 4 * 4);
  }
}

/** Lane i gets column i/4, rows 2·(i%4) and the next, of each. */
inline void load_matrices_transposed(uint32_t (&to)[4], const void* row) {
  const auto& all = simulator::exchange(simulator::kMatrices, ~0u, row);
  for (unsigned m = 0; m < 4; ++m) {
    uint32_t both = 0;
    for (unsigned j = 0; j < 2; ++j) {
      const auto* from = simulator::brought_by<const uint8_t*>(all, 8 * m + simulator::lane() % 4 * 2 + j);
      both |= uint32_t{loaded<uint16_t>(from + simulator::lane() / 4 * 2)} << 16 * j;
    }
    to[m] = both;
  }
}

inline uint32_t transpose(uint32_t v) {
  const auto& all = simulator::exchange(simulator::kMatrices, ~0u, v);
  const unsigned lane = simulator::lane(), column = lane / 4, row = lane % 4 * 2;
  const auto element = [&](unsigned r) { return all.words[r * 4 + column / 2][0] >> 16 * (column % 2) & 0xffff; };
  return element(row) | element(row + 1) << 16;
}

/** As a float, exactly. */
template <class T>
float half_of(uint32_t word, unsigned i) {
  const auto bits = static_cast<uint16_t>(word >> 16 * i);
  T v;
  std::memcpy(&v, &bits, sizeof v);
  return static_cast<float>(v);
}

/** sum [16×8] += a [16×16] · b [16×8]. */
template <class T>
void multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct {
    uint32_t a[4], b[2];
  } const mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const auto& all = simulator::exchange(simulator::kProduct, ~0u, mine);
  const unsigned lane = simulator::lane();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    float products = 0;
    for (unsigned k = 0; k < 16; ++k) {
      // a's rows r and r+8, columns below and from 8 on, are words 0, 1 and 2, 3; b's rows from 8 on are word 1.
      const uint32_t* of_a = all.words[row % 8 * 4 + k % 8 / 2];
      const uint32_t* of_b = all.words[column * 4 + k % 8 / 2] + 4;
      products += half_of<T>(of_a[row / 8 + k / 8 * 2], k % 2) * half_of<T>(of_b[k / 8], k % 2);
    }
    sum[i] += products;
  }
}

}  // namespace kigo::cuda
