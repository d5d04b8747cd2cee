/** Packed weights as rows of numbers, and into their packed form. */
#pragma once

#include "cuda/context.h"

namespace kigo::cuda {

/**
 * Repacks rows as a GGUF file holds them: `from` [n_rows] rows of ggml blocks on the device, aligned to 16 bytes, to
 * `to` [n_rows] packed rows.
 */
void pack_rows(cudaStream_t stream, uint32_t type, const uint8_t* from, int64_t n_rows, int64_t n_in, uint8_t* to);

/** out [n_rows][n_in] float32, exactly what the file says. */
void dequantize_f32(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, float* out);
/** The same rounded to float16 (bf16 false) or bfloat16; rows of n_in values, without padding. */
void dequantize_half(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, bool bf16, void* out);

/** y [n_tokens][n_embd] = scale · rows tokens[…] of table. tokens on the device. Part of ops.h's embedding_lookup. */
void gather_rows(cudaStream_t stream, const Matrix& table, const int32_t* tokens, int64_t n_tokens, float scale,
                 float* y);

}  // namespace kigo::cuda
