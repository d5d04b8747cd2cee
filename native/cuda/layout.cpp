#include "cuda/layout.h"

#include <map>
#include <set>

#include "core/memory.h"
#include "cuda/packed.h"

namespace kigo::cuda {

WeightsLayout layout_weights(const BoundWeights& bound) {
  WeightsLayout layout;
  Layout memory;
  const auto key = [](const BoundMatrix& m) { return std::pair(m.tensor, m.row_first); };
  std::map<std::pair<const Tensor*, int64_t>, uint64_t> places;

  // Matrices first: with no bias between them, queries, keys and values, or gate and up, are one product.
  const auto place_matrix = [&](const BoundMatrix& m) {
    if (!m || places.count(key(m)) != 0) return 0;
    places[key(m)] = memory.add<uint8_t>(static_cast<uint64_t>(m.n_out) * packed_row_bytes(m.tensor->type, m.n_in));
    return 0;
  };
  convert<int, int>(bound, place_matrix, [](const BoundVector&) { return 0; });

  std::set<std::pair<const Tensor*, int64_t>> seen;
  const auto vector = [&](const BoundVector& v) -> PlacedVector {
    if (!v) return {};
    return {v, memory.add<float>(static_cast<uint64_t>(v.n))};
  };
  const auto matrix = [&](const BoundMatrix& m) -> PlacedMatrix {
    if (!m) return {};
    return {m, places.at(key(m)), !seen.insert(key(m)).second, vector(m.bias)};
  };
  layout.weights = convert<PlacedMatrix, PlacedVector>(bound, matrix, vector);
  layout.bytes = memory.total();
  return layout;
}

}  // namespace kigo::cuda
