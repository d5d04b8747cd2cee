/** The CPU twin behind the C ABI. */
#pragma once

#include "kigo/abi.h"

namespace kigo::cpu {

const kigo_backend_api* backend();

}  // namespace kigo::cpu
