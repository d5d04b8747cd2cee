/** A model's tensors from its files into device memory, packed on the way. */
#pragma once

#include <vector>

#include "core/description.h"
#include "cuda/context.h"
#include "kigo/abi.h"

namespace kigo::cuda {

/** Rows of a matrix, or values of a vector, and where they go. */
struct Transfer {
  uint32_t type;
  uint32_t file;
  uint64_t offset;     // of the first row in the file
  int64_t n_rows;      // of a vector: its values
  int64_t n_in;        // of a vector: 1
  uint64_t row_bytes;  // in the file
  std::byte* to;       // on the device
  bool is_vector;      // goes there as float32; a matrix goes there packed
};

/**
 * Reads and packs everything, in the files' order. The files' identity is checked before and after. Progress counts
 * the files' bytes; it is reported, and cancelling looked for, at least every 20 ms on the calling thread. Nothing is
 * on its way any more when this returns or throws.
 */
void load_weights(const DeviceTraits& device, const std::vector<FileIdentity>& files, std::vector<Transfer> transfers,
                  const kigo_load& load);

}  // namespace kigo::cuda
