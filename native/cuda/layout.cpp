#include "cuda/layout.h"

#include <map>

#include "core/memory.h"
#include "cuda/packed.h"

namespace kigo::cuda {

WeightsLayout layout_weights(const BoundWeights& bound) {
  WeightsLayout layout;
  Layout memory;
  std::map<std::pair<const Tensor*, int64_t>, uint64_t> placed;  // by tensor and first row

  const auto vector = [&](const BoundVector& v) -> PlacedVector {
    if (!v) return {};
    return {v, memory.add<float>(static_cast<uint64_t>(v.n))};
  };
  const auto matrix = [&](const BoundMatrix& m) -> PlacedMatrix {
    if (!m) return {};
    const auto [place, is_new] = placed.try_emplace({m.tensor, m.row_first});
    if (is_new) {
      const uint64_t bytes = static_cast<uint64_t>(m.n_out) * packed_row_bytes(m.tensor->type, m.n_in);
      place->second = memory.add<uint8_t>(bytes);
    }
    return {m, place->second, !is_new, vector(m.bias)};
  };
  layout.weights = convert<PlacedMatrix, PlacedVector>(bound, matrix, vector);
  layout.bytes = memory.total();
  return layout;
}

}  // namespace kigo::cuda
