#include "test/sampling_reference.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

namespace kigo::test {

kigo_sampling samplers_off() {
  kigo_sampling s = {};
  s.struct_size = sizeof s;
  s.temperature = 1;
  s.top_p = 1;
  s.repeat_penalty = 1;
  return s;
}

std::vector<float> random_logits(size_t n, uint32_t seed, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(n);
  for (float& l : logits) l = normal(random);
  return logits;
}

std::map<int32_t, double> exact_distribution(const std::vector<float>& logits, const std::vector<int32_t>& history,
                                             const kigo_sampling& s) {
  std::map<int32_t, double> times;
  const auto window = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(history.size()), s.repeat_last_n);
  for (auto token = history.end() - window; token != history.end(); ++token) ++times[*token];

  std::vector<std::pair<double, int32_t>> list;
  for (size_t i = 0; i < logits.size(); ++i) {
    double l = static_cast<double>(logits[i]);
    if (const auto found = times.find(static_cast<int32_t>(i)); found != times.end()) {
      l = l > 0 ? l / static_cast<double>(s.repeat_penalty) : l * static_cast<double>(s.repeat_penalty);
      l -= found->second * static_cast<double>(s.frequency_penalty) + static_cast<double>(s.presence_penalty);
    }
    list.emplace_back(l, static_cast<int32_t>(i));
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  const auto softmax = [&](double temperature) {
    std::vector<double> p;
    double total = 0;
    for (const auto& [l, id] : list) total += p.emplace_back(std::exp((l - list[0].first) / temperature));
    for (double& x : p) x /= total;
    return p;
  };
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < list.size()) list.resize(static_cast<size_t>(s.top_k));
  if (s.top_p < 1) {
    const std::vector<double> p = softmax(1);
    double sum = 0;
    size_t n = 0;
    while (n < list.size() && (n == 0 || sum < static_cast<double>(s.top_p))) sum += p[n++];
    list.resize(n);
  }
  if (s.min_p > 0) {
    const std::vector<double> p = softmax(1);
    size_t n = 1;
    while (n < list.size() && p[n] >= static_cast<double>(s.min_p) * p[0]) ++n;
    list.resize(n);
  }
  const std::vector<double> p = softmax(static_cast<double>(s.temperature));
  std::map<int32_t, double> result;
  for (size_t i = 0; i < list.size(); ++i) result[list[i].second] = p[i];
  return result;
}

double chi_squared_p(double x, double k) {
  const double z = (std::cbrt(x / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

void check_distribution(const std::map<int32_t, double>& exact, const std::vector<int32_t>& ids) {
  const auto n = static_cast<double>(ids.size());
  std::map<int32_t, int> seen;
  for (const int32_t id : ids) ++seen[id];
  for (const auto& [id, count] : seen) CHECK(exact.count(id) == 1);

  // Classes with fewer than 5 expected draws are put together.
  double statistic = 0, rest_expected = 0, rest_seen = 0;
  int classes = 0;
  for (const auto& [id, p] : exact) {
    const double expected = p * n, got = seen.count(id) ? seen[id] : 0;
    if (expected < 5) {
      rest_expected += expected;
      rest_seen += got;
      continue;
    }
    statistic += (got - expected) * (got - expected) / expected;
    ++classes;
  }
  if (rest_expected >= 5) {
    statistic += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
    ++classes;
  }
  CAPTURE(classes);
  CAPTURE(statistic);
  if (classes > 1) CHECK(chi_squared_p(statistic, classes - 1) > 1e-4);
}

const std::vector<SamplingCase>& sampling_cases() {
  static const std::vector<SamplingCase> cases = {
      {"all off", [](kigo_sampling&) {}},
      {"temperature 0.8", [](kigo_sampling& s) { s.temperature = 0.8f; }},
      {"temperature 3", [](kigo_sampling& s) { s.temperature = 3; }},
      {"top-k 7", [](kigo_sampling& s) { s.top_k = 7; }},
      {"top-k 1", [](kigo_sampling& s) { s.top_k = 1; }},
      {"top-k above the vocabulary", [](kigo_sampling& s) { s.top_k = 1000; }},
      {"top-p 0.7", [](kigo_sampling& s) { s.top_p = 0.7f; }},
      {"top-p 0", [](kigo_sampling& s) { s.top_p = 0; }},
      {"min-p 0.1", [](kigo_sampling& s) { s.min_p = 0.1f; }},
      {"min-p 1", [](kigo_sampling& s) { s.min_p = 1; }},
      {"top-p of the survivors of top-k", [](kigo_sampling& s) { s.top_k = 9, s.top_p = 0.6f; }},
      {"min-p with top-k", [](kigo_sampling& s) { s.top_k = 12, s.min_p = 0.3f; }},
      {"repeat penalty", [](kigo_sampling& s) { s.repeat_penalty = 1.5f, s.repeat_last_n = 64; }},
      {"repeat penalty over the last 3", [](kigo_sampling& s) { s.repeat_penalty = 1.8f, s.repeat_last_n = 3; }},
      {"presence penalty", [](kigo_sampling& s) { s.presence_penalty = 1.5f, s.repeat_last_n = 64; }},
      {"frequency penalty", [](kigo_sampling& s) { s.frequency_penalty = 0.7f, s.repeat_last_n = 9; }},
      {"penalties over nothing",
       [](kigo_sampling& s) { s.repeat_penalty = 2, s.presence_penalty = 3, s.repeat_last_n = 0; }},
      {"negative penalties",
       [](kigo_sampling& s) { s.frequency_penalty = -0.5f, s.presence_penalty = -1, s.repeat_last_n = 64; }},
      {"the defaults", [](kigo_sampling& s) { s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f; }},
      {"all at once",
       [](kigo_sampling& s) {
         s.temperature = 1.4f, s.top_k = 30, s.top_p = 0.9f, s.min_p = 0.02f;
         s.repeat_penalty = 1.2f, s.repeat_last_n = 5, s.presence_penalty = 0.3f, s.frequency_penalty = 0.2f;
       }},
  };
  return cases;
}

}  // namespace kigo::test
