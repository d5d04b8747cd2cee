/** The backends that the conformance suite runs against, and handles that close themselves. */
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/chain.h"
#include "test/tiny_model.h"

namespace kigo::test {

struct BackendUnderTest {
  std::string name;
  const kigo_backend_api* api;
  bool exact;
  double tolerance;    // relative, where the same numbers are computed in another order
  bool packs = false;  // weights are kept in a form of the backend's own
};

/**
 * The CPU twin in both precisions, the CUDA twin in both where its library lies beside the tests and finds a GPU, and
 * the fake backend, last, through its shared library.
 */
const std::vector<BackendUnderTest>& backends();
/** The CUDA twin; NULL where it was not built or finds no GPU. */
const kigo_backend_api* cuda_backend();
/** The CUDA twin exact and fast; none, which is said as a skipped test, where there is no GPU. */
std::vector<BackendUnderTest> cuda_twins();

/** KIGO_FAKE for as long as this lives; the fake backend reads it when its devices are counted. */
class FakeSettings {
 public:
  explicit FakeSettings(const std::string& text);
  ~FakeSettings();
};

#define KIGO_REQUIRE_OK(api, status)      \
  do {                                    \
    const kigo_status status_ = (status); \
    INFO((api)->last_error()->message);   \
    REQUIRE(status_ == KIGO_OK);          \
  } while (false)

kigo_model_options model_options(bool exact, int32_t threads = 2);
kigo_sampling greedy();

class OpenModel {
 public:
  OpenModel(const BackendUnderTest& backend, const kigo_model_desc* desc, const kigo_model_options& options);
  OpenModel(const BackendUnderTest& backend, TinyModel& model)
      : OpenModel(backend, model.desc(), model_options(backend.exact)) {}
  ~OpenModel() { api->model_close(handle); }
  OpenModel(const OpenModel&) = delete;
  OpenModel& operator=(const OpenModel&) = delete;
  kigo_memory tally() const;

  const kigo_backend_api* api;
  kigo_model* handle = nullptr;
};

class OpenSession {
 public:
  OpenSession(const OpenModel& model, int32_t n_ctx, int32_t n_batch);
  ~OpenSession() { api->session_close(handle); }
  OpenSession(const OpenSession&) = delete;
  OpenSession& operator=(const OpenSession&) = delete;

  int32_t length() const;
  /** Appends tokens in pieces; returns the last one's logits. */
  std::vector<float> prefill(const std::vector<int32_t>& tokens, int32_t piece, int32_t n_vocab);

  const kigo_backend_api* api;
  kigo_session* handle = nullptr;
};

/** A part on a backend's device: where a chain is to stand. */
Placement placed(const BackendUnderTest& backend, int32_t first, int32_t last, int32_t device = 0);
/** The model in one part, and in the parts given (all with the precision of the first backend). */
Chain open_chain(const BackendUnderTest& backend, TinyModel& model);
Chain open_chain(const BackendUnderTest& backend, TinyModel& model, std::vector<Placement> placements);

kigo_forward forward_of(const int32_t* tokens, int32_t n, int32_t logits);
/** The golden data's ids, (37·i + 11) mod n_vocab. */
std::vector<int32_t> some_tokens(int32_t n, int32_t n_vocab);
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace kigo::test
