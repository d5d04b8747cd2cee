/// Which instruction set the kernels use: found once from cpuid, or named by KIGO_CPU_ISA=scalar|avx2|avx512.
#pragma once
#include <cstdint>
#include <string_view>

namespace kigo::cpu {

enum class Isa : int { scalar, avx2, avx512 };
inline constexpr Isa kAllIsas[] = {Isa::scalar, Isa::avx2, Isa::avx512};

/// 'scalar', 'avx2' (with FMA and F16C), 'avx512' (F, BW, VL, DQ and VNNI).
std::string_view isa_name(Isa isa);

/// Whether this processor and this build have it.
bool isa_available(Isa isa);

/// What KIGO_CPU_ISA asks for: the best one where `wanted` is null or empty. Throws std::runtime_error, in words, where
/// it names one that is unknown or not available.
Isa chosen_isa(const char* wanted);

/// The one in use. The first call chooses by KIGO_CPU_ISA, and throws as chosen_isa() does.
Isa isa();

/// Switches to another one that is available (tests). Nothing may be running.
void use_isa(Isa isa);

}  // namespace kigo::cpu
