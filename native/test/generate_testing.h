/** What tests of core/generate.h ask it for. */
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/generate.h"
#include "test/backend_under_test.h"

namespace kigo::test {

inline GenerateRequest request_of(std::vector<int32_t> prompt, int64_t max_tokens) {
  GenerateRequest request;
  request.tokens = std::move(prompt);
  request.sampling = greedy();
  request.max_tokens = max_tokens;
  return request;
}

/** The ids that the request draws, in order. */
inline std::vector<int32_t> generate(Session& session, GenerateRequest request, GenerateResult* result = nullptr) {
  std::vector<int32_t> ids;
  request.on_token = [&](const kigo_token_record& record) { ids.push_back(record.id); };
  const GenerateResult r = session.generate(request);
  if (result != nullptr) *result = r;
  return ids;
}

}  // namespace kigo::test
