/** The GEMV kernels of K-quants, and of two of them together as the usual mixes have them. */
#include "cuda/gemv_launch.cuh"

namespace kigo::cuda {

template void launch_gemv<kQ4_K>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kQ5_K>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kQ6_K>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv_of_two<kQ4_K, kQ6_K>(const Context&, GemvArguments, GemvArguments, const GemvShape&);

}  // namespace kigo::cuda
