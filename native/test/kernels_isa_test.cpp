#include <doctest/doctest.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "cpu/kernels/isa.h"

using namespace kigo::cpu;

TEST_CASE("instruction set: the one in use is available, scalar always is, and others are refused") {
  CHECK(isa_available(isa()));
  CHECK(isa_available(Isa::scalar));
  const Isa before = isa();
  for (Isa each : kAllIsas) {
    if (isa_available(each)) {
      use_isa(each);
      CHECK(isa() == each);
    } else {
      CHECK_THROWS_AS(use_isa(each), std::invalid_argument);
    }
  }
  use_isa(before);
}

TEST_CASE("instruction set: KIGO_CPU_ISA chooses one, and is refused in words where it cannot") {
  CHECK(isa_available(chosen_isa(nullptr)));
  CHECK(chosen_isa("") == chosen_isa(nullptr));
  for (Isa each : kAllIsas) {
    const std::string name(isa_name(each));
    if (isa_available(each))
      CHECK(chosen_isa(name.c_str()) == each);
    else
      CHECK_THROWS_AS(chosen_isa(name.c_str()), std::runtime_error);
  }
  try {
    chosen_isa("avx9");
    FAIL("avx9 was taken");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) ==
          "KIGO_CPU_ISA is 'avx9'; it must be scalar, avx2 or avx512, or unset to let Kigo choose.");
  }
}

// Unoptimised builds keep inline functions apart from their callers, and are for developers' machines.
#if defined(KIGO_CPU_LIBRARY) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
TEST_CASE("instruction set: no file with a set of its own leaves an inline function that others could be linked to") {
  FILE* symbols = popen("nm -A -C " KIGO_CPU_LIBRARY, "r");
  REQUIRE(symbols != nullptr);
  int seen = 0;
  char line[4096];
  while (fgets(line, sizeof line, symbols)) {
    const std::string text(line);  // "libkigo_cpu.a:kernels_avx2.cpp.o:0000000000000000 W name"
    if (text.find("_avx2.cpp") == std::string::npos && text.find("_avx512.cpp") == std::string::npos) continue;
    ++seen;
    for (const char* weak : {" W ", " V ", " u "}) {
      if (text.find(weak) != std::string::npos) FAIL_CHECK(text);
    }
  }
  pclose(symbols);
#if defined(__x86_64__)
  CHECK(seen > 0);
#endif
}
#endif
