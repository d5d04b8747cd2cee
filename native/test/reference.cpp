/** The paper, in float64 and without any cleverness: every position attends by looking at all stored keys. */
#include <algorithm>
#include <cmath>

#include "test/tiny_model.h"

namespace kigo::test {

namespace {

using Vec = std::vector<double>;

/** w · x + bias, rows [first, first + n_out) of a matrix. */
Vec project(const TinyModel& m, const std::string& stem, const Vec& x, size_t first, size_t n_out) {
  const std::vector<float>& w = m.values(stem + ".weight");
  Vec y(n_out);
  for (size_t r = 0; r < n_out; ++r) {
    double sum = m.has(stem + ".bias") ? static_cast<double>(m.values(stem + ".bias")[first + r]) : 0;
    for (size_t c = 0; c < x.size(); ++c) sum += static_cast<double>(w[(first + r) * x.size() + c]) * x[c];
    y[r] = sum;
  }
  return y;
}

void norm(Vec& x, size_t first, size_t n, const std::vector<float>& weight, double eps) {
  double squares = 0;
  for (size_t i = 0; i < n; ++i) squares += x[first + i] * x[first + i];
  const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
  for (size_t i = 0; i < n; ++i) x[first + i] *= scale * static_cast<double>(weight[i]);
}

void rotate(const TinyModel& m, const kigo_layer_config& l, Vec& x, size_t head, double position) {
  const size_t pairs = static_cast<size_t>(l.n_rot) / 2;
  for (size_t j = 0; j < pairs; ++j) {
    double angle = position * std::pow(l.rope_base, -2.0 * static_cast<double>(j) / l.n_rot);
    if (m.has("rope_freqs.weight")) angle /= static_cast<double>(m.values("rope_freqs.weight")[j]);
    if (l.yarn_original_ctx > 0) {
      const auto corner = [&](double beta) {
        return l.n_rot * std::log(l.yarn_original_ctx / (2 * M_PI * beta)) / (2 * std::log(l.rope_base));
      };
      const double low = std::max(0.0, std::floor(corner(32)));
      const double high = std::min(l.n_rot - 1.0, std::ceil(corner(1)));
      const double r = 1 - std::clamp((static_cast<double>(j) - low) / std::max(0.001, high - low), 0.0, 1.0);
      angle = r * angle + (1 - r) * angle * l.rope_scale;
    } else {
      angle *= l.rope_scale;
    }
    const size_t start = head * static_cast<size_t>(l.head_dim);
    const size_t a = start + (l.rope == KIGO_ROPE_NORM ? 2 * j : j);
    const size_t b = start + (l.rope == KIGO_ROPE_NORM ? 2 * j + 1 : j + pairs);
    const double cos = std::cos(angle) * l.rope_mscale, sin = std::sin(angle) * l.rope_mscale;
    const double xa = x[a], xb = x[b];
    x[a] = xa * cos - xb * sin;
    x[b] = xa * sin + xb * cos;
  }
}

double cap(double x, double c) { return c == 0 ? x : c * std::tanh(x / c); }

double activate(double x, int32_t kind) {
  if (kind == KIGO_ACTIVATION_SILU) return x / (1 + std::exp(-x));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

}  // namespace

std::vector<Vec> reference_logits(const TinyModel& m, const std::vector<int32_t>& tokens) {
  const double eps = m.config.norm_eps;
  const auto n_embd = static_cast<size_t>(m.config.n_embd);
  std::vector<std::vector<Vec>> keys(m.layers.size()), values(m.layers.size());
  std::vector<Vec> all;

  for (size_t t = 0; t < tokens.size(); ++t) {
    Vec x(n_embd);
    for (size_t i = 0; i < n_embd; ++i) {
      x[i] = static_cast<double>(m.values("token_embd.weight")[static_cast<size_t>(tokens[t]) * n_embd + i]) *
             m.config.embedding_scale;
    }

    for (size_t layer = 0; layer < m.layers.size(); ++layer) {
      const kigo_layer_config& l = m.layers[layer];
      const std::string b = "blk." + std::to_string(layer) + ".";
      const auto hd = static_cast<size_t>(l.head_dim), n_head = static_cast<size_t>(l.n_head);
      const auto n_head_kv = static_cast<size_t>(l.n_head_kv);
      const size_t n_q = n_head * hd, n_kv = n_head_kv * hd;

      Vec y = x;
      norm(y, 0, n_embd, m.values(b + "attn_norm.weight"), eps);
      const bool fused = m.has(b + "attn_qkv.weight");
      Vec q = project(m, b + (fused ? "attn_qkv" : "attn_q"), y, 0, n_q);
      Vec k = project(m, b + (fused ? "attn_qkv" : "attn_k"), y, fused ? n_q : 0, n_kv);
      const Vec v = project(m, b + (fused ? "attn_qkv" : "attn_v"), y, fused ? n_q + n_kv : 0, n_kv);
      for (size_t h = 0; h < n_head; ++h) {
        if (m.has(b + "attn_q_norm.weight")) norm(q, h * hd, hd, m.values(b + "attn_q_norm.weight"), eps);
        rotate(m, l, q, h, static_cast<double>(t));
      }
      for (size_t h = 0; h < n_head_kv; ++h) {
        if (m.has(b + "attn_k_norm.weight")) norm(k, h * hd, hd, m.values(b + "attn_k_norm.weight"), eps);
        rotate(m, l, k, h, static_cast<double>(t));
      }
      keys[layer].push_back(k);
      values[layer].push_back(v);

      Vec out(n_q, 0.0);
      for (size_t h = 0; h < n_head; ++h) {
        const size_t kv = h / (n_head / n_head_kv) * hd;
        const size_t from =
            l.window > 0 && t + 1 > static_cast<size_t>(l.window) ? t + 1 - static_cast<size_t>(l.window) : 0;
        Vec p;
        double total = 0;
        for (size_t j = from; j <= t; ++j) {
          double score = 0;
          for (size_t i = 0; i < hd; ++i) score += q[h * hd + i] * keys[layer][j][kv + i];
          p.push_back(std::exp(cap(score * l.attn_scale, l.attn_softcap)));
          total += p.back();
        }
        for (size_t j = from; j <= t; ++j) {
          for (size_t i = 0; i < hd; ++i) out[h * hd + i] += p[j - from] / total * values[layer][j][kv + i];
        }
      }
      Vec branch = project(m, b + "attn_output", out, 0, n_embd);
      if (m.has(b + "post_attention_norm.weight"))
        norm(branch, 0, n_embd, m.values(b + "post_attention_norm.weight"), eps);
      for (size_t i = 0; i < n_embd; ++i) x[i] += branch[i];

      y = x;
      norm(y, 0, n_embd, m.values(b + "ffn_norm.weight"), eps);
      Vec gate = project(m, b + "ffn_gate", y, 0, static_cast<size_t>(l.n_ff));
      const Vec up = project(m, b + "ffn_up", y, 0, static_cast<size_t>(l.n_ff));
      for (size_t i = 0; i < gate.size(); ++i) gate[i] = activate(gate[i], l.activation) * up[i];
      branch = project(m, b + "ffn_down", gate, 0, n_embd);
      if (m.has(b + "post_ffw_norm.weight")) norm(branch, 0, n_embd, m.values(b + "post_ffw_norm.weight"), eps);
      for (size_t i = 0; i < n_embd; ++i) x[i] += branch[i];
    }

    norm(x, 0, n_embd, m.values("output_norm.weight"), eps);
    const bool tied = !m.has("output.weight");
    Vec logits = project(m, tied ? "token_embd" : "output", x, 0, static_cast<size_t>(m.config.n_vocab));
    for (size_t i = 0; i < logits.size(); ++i) {
      if (tied && m.has("output.bias")) logits[i] += static_cast<double>(m.values("output.bias")[i]);
      logits[i] = cap(logits[i], m.config.logit_softcap);
    }
    all.push_back(logits);
  }
  return all;
}

}  // namespace kigo::test
