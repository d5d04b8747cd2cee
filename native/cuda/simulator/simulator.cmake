# The CUDA twin on a GPU that this computer simulates: the same sources, compiled for the CPU, so that its tests run
# where there is no GPU. What that cannot show: how fast it is, and where a GPU differs from the simulation. block.h,
# runtime.cpp and device.h say how it works.

set(KIGO_CUDA_INCLUDE "" CACHE PATH "Folder of the CUDA toolkit's headers")
set(KIGO_SIMULATOR_COMPUTE "120" CACHE STRING "Compute capability of the simulated GPU, times ten: 75, 80, 120")

# gemm_hopper.cu stays away: nothing but a GPU has its instructions. ptx.cuh has a twin in this folder.
file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*.cpp cuda/*.cu cuda/*.cuh cuda/testing/*.cpp cuda/testing/*.cu)
list(FILTER cuda_sources EXCLUDE REGEX "/(gemm_hopper\\.cu|ptx\\.cuh)$")
set(simulated ${CMAKE_CURRENT_BINARY_DIR}/simulated)
option(KIGO_SIMULATOR_CHECKS "Look for races and reads of what nothing wrote; three times slower" OFF)

set(translated "")
foreach(source ${cuda_sources})
  file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR} ${source})
  if(source MATCHES "\\.cpp$")
    list(APPEND translated ${source})
    continue()
  endif()
  string(REGEX REPLACE "\\.cu$" ".cpp" name ${name})
  add_custom_command(
    OUTPUT ${simulated}/${name}
    COMMAND ${CMAKE_COMMAND} -DFROM=${source} -DTO=${simulated}/${name} -P
            ${CMAKE_CURRENT_SOURCE_DIR}/cuda/simulator/translate.cmake
    DEPENDS ${source} cuda/simulator/translate.cmake VERBATIM)
  list(APPEND translated ${simulated}/${name})
endforeach()
file(GLOB simulator_sources CONFIGURE_DEPENDS cuda/simulator/*.cpp)

# One library under both names that the tests open: the app's, and the one that has the operations by themselves.
add_library(kigo_cuda SHARED ${translated} ${simulator_sources})
add_custom_target(
  kigo_cuda_ops COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE_NAME:kigo_cuda>
                        ${CMAKE_CURRENT_BINARY_DIR}/libkigo_cuda_ops.so
  DEPENDS kigo_cuda)
target_include_directories(kigo_cuda BEFORE PRIVATE cuda/simulator ${simulated})
target_include_directories(kigo_cuda SYSTEM PRIVATE ${KIGO_CUDA_INCLUDE})
target_compile_definitions(kigo_cuda PRIVATE KIGO_BACKEND=cuda KIGO_SIMULATOR_COMPUTE=${KIGO_SIMULATOR_COMPUTE}
                                             KIGO_MACHINE_CODE=${KIGO_SIMULATOR_COMPUTE} KIGO_PTX=)
# Warnings of kernels are nvcc's matter, and CUDA C++ knows no strict aliasing. It never leaves this computer.
target_compile_options(kigo_cuda PRIVATE -w -fno-strict-aliasing -march=native)
if(KIGO_SIMULATOR_CHECKS)
  target_compile_definitions(kigo_cuda PRIVATE KIGO_SIMULATOR_CHECKS)
endif()
get_target_property(simulator_sources kigo_cuda SOURCES)
foreach(source ${simulator_sources})
  if(source MATCHES "^${simulated}/.*\\.cpp$")
    set(options "-include;cuda/simulator/device.h")
    if(KIGO_SIMULATOR_CHECKS)
      list(APPEND options -fsanitize=thread --param=tsan-instrument-func-entry-exit=0 -fno-tree-vectorize -g1)
    endif()
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${options}")
  endif()
endforeach()
target_link_libraries(kigo_cuda PRIVATE kigo_core)
target_link_options(kigo_cuda PRIVATE -Wl,-z,defs)
