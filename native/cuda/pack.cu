/** GGUF's blocks into the format of packed.h. A thread packs 32 values; the copy from the host is far slower. */
#include "cuda/dequantize.h"
#include "cuda/numbers.cuh"
#include "cuda/packed.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** 32 values of a file as they are stored there, before any scale: 4, 5, 6 or 8 bits each. */
struct Codes {
  uint8_t q[32];
};

/** Bytes of a block of 32, or of 256 for K-quants, in a file. */
template <uint32_t kType>
constexpr uint32_t kFileBlockBytes = find_type(kType)->block_bytes;

/** Low nibbles are values 0…15, high ones 16…31. */
__device__ inline void read_nibbles(const uint8_t* from, Codes& codes) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    codes.q[i] = from[i] & 15;
    codes.q[16 + i] = from[i] >> 4;
  }
}

__device__ inline void add_fifth_bits(const uint8_t* bits, Codes& codes) {
#pragma unroll
  for (int v = 0; v < 32; ++v) codes.q[v] |= (bits[v / 8] >> v % 8 & 1) << 4;
}

/** Low nibbles of 32 bytes, or their high ones. */
__device__ inline void read_nibble_row(const uint8_t* from, bool high, Codes& codes) {
#pragma unroll
  for (int v = 0; v < 32; ++v) codes.q[v] = high ? from[v] >> 4 : from[v] & 15;
}

/** The 32 values that `block`, a ggml block, has from 32·part on; layouts are those of cpu/kernels/types.h. */
template <uint32_t kType>
__device__ Codes read_codes(const uint8_t* block, uint32_t part) {
  Codes codes;
  if constexpr (kType == kQ8_0) {
#pragma unroll
    for (int v = 0; v < 32; ++v) codes.q[v] = block[2 + v];
  }
  if constexpr (kType == kQ4_0) read_nibbles(block + 2, codes);
  if constexpr (kType == kQ4_1) read_nibbles(block + 4, codes);
  if constexpr (kType == kQ5_0) {
    read_nibbles(block + 6, codes);
    add_fifth_bits(block + 2, codes);
  }
  if constexpr (kType == kQ5_1) {
    read_nibbles(block + 8, codes);
    add_fifth_bits(block + 4, codes);
  }
  if constexpr (kType == kQ4_K) read_nibble_row(block + 16 + part / 2 * 32, part % 2 == 1, codes);
  if constexpr (kType == kQ5_K) {
    read_nibble_row(block + 48 + part / 2 * 32, part % 2 == 1, codes);
#pragma unroll
    for (int v = 0; v < 32; ++v) codes.q[v] |= (block[16 + v] >> part & 1) << 4;
  }
  if constexpr (kType == kQ6_K) {
    const uint32_t half = part / 4, quarter = part % 4;
    read_nibble_row(block + 64 * half + 32 * (quarter % 2), quarter >= 2, codes);
#pragma unroll
    for (int v = 0; v < 32; ++v) codes.q[v] |= (block[128 + 32 * half + v] >> 2 * quarter & 3) << 4;
  }
  return codes;
}

__device__ inline uint32_t u16_at(const uint8_t* from) { return from[0] | from[1] << 8; }

/** Q4_K's and Q5_K's eight scales and mins: d and dmin, low nibbles of scales and of mins, upper bits of both. */
__device__ inline uint4 pack_scales_k4(const uint8_t* block) {
  const uint8_t* s = block + 4;  // scales 0…3, mins 0…3 in 6 bits; then nibbles of the others, whose tops are above
  uint4 packed = {u16_at(block) | u16_at(block + 2) << 16, 0, 0, 0};
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    const uint32_t scale = b < 4 ? s[b] & 63 : (s[b + 4] & 15) | s[b - 4] >> 6 << 4;
    const uint32_t min = b < 4 ? s[b + 4] & 63 : s[b + 4] >> 4 | s[b] >> 6 << 4;
    packed.y |= (scale & 15) << 4 * b;
    packed.z |= (min & 15) << 4 * b;
    packed.w |= (scale >> 4 | min >> 4 << 2) << 4 * b;
  }
  return packed;
}

template <uint32_t kType>
__device__ void write_quants(const Codes& codes, uint8_t* record, const RecordLayout& at, uint32_t i) {
  auto* low = reinterpret_cast<uint32_t*>(record + 16 * i);
  auto* second = reinterpret_cast<uint32_t*>(record + at.quants2 + 16 * i);
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    uint32_t a = 0, b = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      a |= static_cast<uint32_t>(codes.q[4 * w + j]) << 8 * j;
      b |= static_cast<uint32_t>(codes.q[16 + 4 * w + j]) << 8 * j;
    }
    if constexpr (kType == kQ8_0) {
      low[w] = a;
      second[w] = b;
    } else {
      low[w] = (a & 0x0f0f0f0f) | (b & 0x0f0f0f0f) << 4;
    }
  }
}

template <uint32_t kType>
__device__ void write_high(const Codes& codes, uint8_t* record, const RecordLayout& at, uint32_t i) {
  if constexpr (kType == kQ5_0 || kType == kQ5_1 || kType == kQ5_K) {
    uint32_t high = 0;
#pragma unroll
    for (int w = 0; w < 4; ++w) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        high |= static_cast<uint32_t>(codes.q[4 * w + j] >> 4) << (8 * j + w);
        high |= static_cast<uint32_t>(codes.q[16 + 4 * w + j] >> 4) << (8 * j + 4 + w);
      }
    }
    reinterpret_cast<uint32_t*>(record + at.high)[i] = high;
  }
  if constexpr (kType == kQ6_K) {
    uint2 high = {0, 0};
#pragma unroll
    for (int w = 0; w < 4; ++w) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        high.x |= static_cast<uint32_t>(codes.q[4 * w + j] >> 4) << (8 * j + 2 * w);
        high.y |= static_cast<uint32_t>(codes.q[16 + 4 * w + j] >> 4) << (8 * j + 2 * w);
      }
    }
    reinterpret_cast<uint2*>(record + at.high)[i] = high;
  }
}

/** Scales that a K-quant shares among eight blocks are written by the thread of the first of them. */
template <uint32_t kType>
__device__ void write_scales(const uint8_t* block, uint32_t part, uint8_t* record, const RecordLayout& at, uint32_t i) {
  uint8_t* scales = record + at.scales;
  if constexpr (kType == kQ4_K || kType == kQ5_K) {
    if (part == 0) reinterpret_cast<uint4*>(scales)[i / 8] = pack_scales_k4(block);
  } else if constexpr (kType == kQ6_K) {
    reinterpret_cast<uint16_t*>(scales)[i] = static_cast<uint16_t>(u16_at(block + 192 + 2 * part));
    if (part == 0) reinterpret_cast<uint16_t*>(record + at.super)[i / 8] = static_cast<uint16_t>(u16_at(block + 208));
  } else if constexpr (kType == kQ4_1 || kType == kQ5_1) {
    reinterpret_cast<uint32_t*>(scales)[i] = u16_at(block) | u16_at(block + 2) << 16;
  } else {
    reinterpret_cast<uint16_t*>(scales)[i] = static_cast<uint16_t>(u16_at(block));
  }
}

template <uint32_t kType>
__global__ void pack_kernel(const uint8_t* from, uint64_t from_row, uint32_t blocks_per_row, int64_t n_blocks,
                            uint8_t* to, uint64_t to_row) {
  const int64_t index = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (index >= n_blocks) return;
  const int64_t row = index / blocks_per_row;
  const auto b = static_cast<uint32_t>(index - row * blocks_per_row);

  constexpr uint32_t kParts = is_k_quant(kType) ? 8 : 1;
  const uint8_t* block = from + row * from_row + uint64_t{b / kParts} * kFileBlockBytes<kType>;
  const uint32_t part = b % kParts;

  const uint32_t first = b / kBlocksPerRecord * kBlocksPerRecord;  // the record's first block
  const RecordLayout at = record_layout(kType, min(uint32_t{kBlocksPerRecord}, blocks_per_row - first));
  uint8_t* record =
      to + row * to_row + uint64_t{first / kBlocksPerRecord} * record_layout(kType, kBlocksPerRecord).bytes;

  const Codes codes = read_codes<kType>(block, part);
  write_quants<kType>(codes, record, at, b - first);
  write_high<kType>(codes, record, at, b - first);
  write_scales<kType>(block, part, record, at, b - first);
}

template <uint32_t kType>
void pack_quantised(cudaStream_t stream, const uint8_t* from, int64_t n_rows, int64_t n_in, uint8_t* to) {
  constexpr int kThreads = 128;
  const int64_t per_row = n_in / kBlock;
  const uint64_t from_row = file_row_bytes(kType, n_in);
  pack_kernel<kType><<<blocks_for(n_rows * per_row, kThreads), kThreads, 0, stream>>>(
      from, from_row, static_cast<uint32_t>(per_row), n_rows * per_row, to, packed_row_bytes(kType, n_in));
  check_launch("packing weights");
}

void pack_floats(cudaStream_t stream, uint32_t type, const uint8_t* from, int64_t n_rows, int64_t n_in, uint8_t* to) {
  const uint64_t width = file_row_bytes(type, n_in);
  check(cudaMemcpy2DAsync(to, packed_row_bytes(type, n_in), from, width, width, static_cast<size_t>(n_rows),
                          cudaMemcpyDeviceToDevice, stream),
        "placing weights");
}

}  // namespace

void pack_rows(cudaStream_t stream, uint32_t type, const uint8_t* from, int64_t n_rows, int64_t n_in, uint8_t* to) {
  const uint64_t row = packed_row_bytes(type, n_in);
  const bool padded = is_float(type) ? row != file_row_bytes(type, n_in) : n_in % kRecord != 0;
  if (padded) check(cudaMemsetAsync(to, 0, row * static_cast<uint64_t>(n_rows), stream), "padding weights");
  switch (type) {
    case kQ8_0: return pack_quantised<kQ8_0>(stream, from, n_rows, n_in, to);
    case kQ4_0: return pack_quantised<kQ4_0>(stream, from, n_rows, n_in, to);
    case kQ4_1: return pack_quantised<kQ4_1>(stream, from, n_rows, n_in, to);
    case kQ5_0: return pack_quantised<kQ5_0>(stream, from, n_rows, n_in, to);
    case kQ5_1: return pack_quantised<kQ5_1>(stream, from, n_rows, n_in, to);
    case kQ4_K: return pack_quantised<kQ4_K>(stream, from, n_rows, n_in, to);
    case kQ5_K: return pack_quantised<kQ5_K>(stream, from, n_rows, n_in, to);
    case kQ6_K: return pack_quantised<kQ6_K>(stream, from, n_rows, n_in, to);
    default: return pack_floats(stream, type, from, n_rows, n_in, to);
  }
}

}  // namespace kigo::cuda
