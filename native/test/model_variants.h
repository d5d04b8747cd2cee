/** Whole models in every variant of a layer, and what went wrong with a broken one: the same questions to each twin. */
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "test/backend_under_test.h"

namespace kigo::test {

struct Variant {
  std::string name;
  TinySpec spec;
};
std::vector<Variant> variants();
/** Matrices of several types within a layer, as real files have them and as they may. */
std::vector<Variant> mixes();

/** The largest relative error over the logits of n tokens in batches, against float64. */
double error_against_float64(const BackendUnderTest& backend, TinyModel& tiny, int32_t n, int32_t batch);

/** A weight that is made not finite, in a row that some_tokens(4, 97) read, and the layer that the error names. */
struct BrokenWeight {
  const char* tensor;
  size_t index;
  const char* layer;  // "": outside of the layers
};
std::vector<BrokenWeight> broken_weights();

/** What forward says; KIGO_OK where nothing is wrong. */
Error forward_error(OpenSession& session, const std::vector<int32_t>& tokens);
/** The detail's text, or "" where there is none. */
std::string detail(const Error& error, const std::string& key);

}  // namespace kigo::test
