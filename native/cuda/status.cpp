#include "cuda/status.h"

#include "cuda/device.h"

namespace kigo::cuda {

namespace {

// Newer than the oldest toolkit that this is compiled with, but drivers have them.
constexpr int kContained = 226, kTensorMemoryLeak = 721;

/** Errors after which the process gets nothing more out of this GPU: the context is broken. */
bool is_sticky(cudaError_t status) {
  if (static_cast<int>(status) == kContained || static_cast<int>(status) == kTensorMemoryLeak) return true;
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorDeviceUninitialized:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown: return true;  // the last one is what a computer that slept may find
    default: return false;
  }
}

}  // namespace

void check(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  forget(status);
  const std::string what =
      std::string(cudaGetErrorString(status)) + " (CUDA error " + std::to_string(status) + ", while " + doing + ")";
  switch (status) {
    case cudaErrorMemoryAllocation:
      throw Error(KIGO_OUT_OF_MEMORY, "The GPU has too little free memory: " + what + ".");
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary: throw Error(KIGO_DEVICE_UNAVAILABLE, driver_problem());
    case cudaErrorNoDevice:
      throw Error(
          KIGO_DEVICE_UNAVAILABLE,
          "The NVIDIA driver finds no GPU. Is one built in, and may this process see it (CUDA_VISIBLE_DEVICES)?");
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidKernelImage:
      throw Error(
          KIGO_DEVICE_UNAVAILABLE,
          "This build of Kigo has no machine code for this GPU. Build it again where the GPU is: " + what + ".");
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
      throw Error(KIGO_DEVICE_UNAVAILABLE,
                  "The GPU cannot be used now: " + what + ". A restart of the computer often helps after an update.");
    default: break;
  }
  if (is_sticky(status)) {
    throw Error(KIGO_DEVICE_LOST, "The GPU stopped working for Kigo: " + what + ". Restart Kigo to use it again.");
  }
  throw Error(KIGO_INTERNAL, "CUDA refused a call: " + what + ".");
}

}  // namespace kigo::cuda
