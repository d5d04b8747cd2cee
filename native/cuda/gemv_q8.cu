/** The GEMV kernels of Q8_0, and of Q5_0 with it. */
#include "cuda/gemv_launch.cuh"

namespace kigo::cuda {

template void launch_gemv<kQ8_0>(const Context&, GemvArguments, Use, const GemvShape&);
template void launch_gemv_of_two<kQ5_0, kQ8_0>(const Context&, GemvArguments, GemvArguments, const GemvShape&);

}  // namespace kigo::cuda
