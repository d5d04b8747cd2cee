#include "isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernel_table.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#define KIGO_X86 1
#endif

namespace kigo::cpu {
namespace {

#if KIGO_X86
bool bit(unsigned reg, int n) { return reg >> n & 1; }

/// What the processor has and the system saves on a task switch (xgetbv).
struct Cpu {
  bool avx2 = false, avx512 = false;

  Cpu() {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool fma = bit(c, 12), xsave = bit(c, 27), avx = bit(c, 28), f16c = bit(c, 29);
    if (!xsave || !avx || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool ymm_saved = (low & 0x06) == 0x06, zmm_saved = (low & 0xe6) == 0xe6;
    avx2 = ymm_saved && fma && f16c && bit(b, 5);
    const bool f = bit(b, 16), dq = bit(b, 17), bw = bit(b, 30), vl = bit(b, 31), vnni = bit(c, 11);
    avx512 = avx2 && zmm_saved && f && dq && bw && vl && vnni;
  }
};
#endif

/// The table for an instruction set, null where the build or the processor has none.
const KernelTable* available(Isa isa) {
#if KIGO_X86
  static const Cpu cpu;
  if (isa == Isa::avx512) return cpu.avx512 ? avx512_kernels() : nullptr;
  if (isa == Isa::avx2) return cpu.avx2 ? avx2_kernels() : nullptr;
#endif
  return isa == Isa::scalar ? scalar_kernels() : nullptr;
}

Isa best() {
  if (available(Isa::avx512)) return Isa::avx512;
  return available(Isa::avx2) ? Isa::avx2 : Isa::scalar;
}

std::atomic<const KernelTable*> current{nullptr};

}  // namespace

const KernelTable& kernels() {
  const KernelTable* table = current.load(std::memory_order_acquire);
  if (!table) {
    // Two threads that come here together choose the same.
    table = available(chosen_isa(std::getenv("KIGO_CPU_ISA")));
    current.store(table, std::memory_order_release);
  }
  return *table;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::scalar: break;
  }
  return "scalar";
}

Isa chosen_isa(const char* wanted) {
  if (!wanted || !*wanted) return best();
  for (Isa isa : kAllIsas) {
    if (isa_name(isa) != wanted) continue;
    if (available(isa)) return isa;
    throw std::runtime_error("KIGO_CPU_ISA asks for " + std::string(wanted) +
                             ", which this processor or this build does not have; it has " +
                             std::string(isa_name(best())) + ". Unset it to let Kigo choose.");
  }
  throw std::runtime_error("KIGO_CPU_ISA is '" + std::string(wanted) +
                           "'; it must be scalar, avx2 or avx512, or unset to let Kigo choose.");
}

bool isa_available(Isa isa) { return available(isa) != nullptr; }

Isa isa() { return kernels().isa; }

void use_isa(Isa isa) {
  const KernelTable* table = available(isa);
  if (!table) throw std::invalid_argument("the instruction set " + std::string(isa_name(isa)) + " is not available");
  current.store(table, std::memory_order_release);
}

}  // namespace kigo::cpu
