/** The GEMV kernels of weights that are no blocks. */
#include "cuda/gemv_launch.cuh"

namespace kigo::cuda {

template void launch_gemv<kF32>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kF16>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kBF16>(const Context&, GemvArguments, Use, const GemvShape&);

}  // namespace kigo::cuda
