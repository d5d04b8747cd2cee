/** The GEMV kernels of the types of 32-blocks with four and five bits. */
#include "cuda/gemv_launch.cuh"

namespace kigo::cuda {

template void launch_gemv<kQ4_0>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kQ4_1>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kQ5_0>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv<kQ5_1>(const Context&, GemvArguments, Use, const GemvShape&);

}  // namespace kigo::cuda
