/** What the cuBLAS of the tests does; the tests find it as the symbol `false_cublas` of the library. */
#pragma once

namespace kigo::test {

struct FalseCublas {
  int version;  // the major one
  // What its functions return.
  int create = 0, set_math_mode = 0, multiply = 0;
  int (*set_stream)() = nullptr;
  int n_open = 0;                   // handles
  void (*on_multiply)() = nullptr;  // what happens meanwhile
};

}  // namespace kigo::test
