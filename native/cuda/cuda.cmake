# The CUDA twin: libkigo_cuda.so, which the app loads, and libkigo_cuda_ops.so, which the tests load.

# The toolkit of PyPI keeps its libraries in lib, where its nvcc does not look; CMake's first try links with them.
if(CMAKE_CUDA_COMPILER)
  get_filename_component(toolkit ${CMAKE_CUDA_COMPILER} REALPATH)
  get_filename_component(toolkit ${toolkit}/../.. ABSOLUTE)
  if(EXISTS ${toolkit}/lib/libcudart_static.a)
    set(CMAKE_CUDA_FLAGS "-L${toolkit}/lib" CACHE STRING "Flags of nvcc")
  endif()
endif()

set(KIGO_CUDA_RUNPATH "" CACHE STRING "Folder of this machine's cuBLAS, for a build that stays on it")

# 90a, for wgmma, costs nothing: there is no other GPU of compute capability 9.
set(architectures "")
set(machine_code "")
set(ptx "")
foreach(given ${KIGO_CUDA_ARCHITECTURES})
  string(REGEX REPLACE "\\+ptx$" "" number ${given})
  if(number STREQUAL 90)
    list(APPEND architectures 90a-real)
  else()
    list(APPEND architectures ${number}-real)
  endif()
  list(APPEND machine_code ${number})
  if(NOT given STREQUAL number)
    list(APPEND architectures ${number}-virtual)
    list(APPEND ptx ${number})
  endif()
endforeach()
list(JOIN machine_code "," machine_code)
list(TRANSFORM ptx APPEND ",")
list(JOIN ptx "" ptx)
set(CMAKE_CUDA_ARCHITECTURES ${architectures})
set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # linked by hand: the static one, wherever the toolkit keeps it

enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} is too old: Kigo needs 12.8 or newer.")
endif()
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")  # which CMake 3.25 does not know of
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
find_library(KIGO_CUDART cudart_static REQUIRED NO_DEFAULT_PATH
             PATHS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES} ${CMAKE_CUDA_HOST_IMPLICIT_LINK_DIRECTORIES})

add_library(kigo_cuda_flags INTERFACE)
target_include_directories(kigo_cuda_flags SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_compile_definitions(kigo_cuda_flags INTERFACE KIGO_BACKEND=cuda)
target_compile_options(
  kigo_cuda_flags
  INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings;-Xcompiler=-Wall,-Wextra,-Werror;--extended-lambda>")
target_link_libraries(kigo_cuda_flags INTERFACE kigo_core ${KIGO_CUDART} rt)

file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*.cpp cuda/*.cu)
set_source_files_properties(cuda/device.cpp PROPERTIES COMPILE_DEFINITIONS
                                                       "KIGO_MACHINE_CODE=${machine_code};KIGO_PTX=${ptx}")
add_library(kigo_cuda_objects OBJECT ${cuda_sources})
target_link_libraries(kigo_cuda_objects PRIVATE kigo_cuda_flags)

# One export, and nothing that differs between machines but libc: the C++ library is inside.
function(kigo_cuda_library name exports)
  add_library(${name} SHARED ${ARGN} $<TARGET_OBJECTS:kigo_cuda_objects>)
  target_link_libraries(${name} PRIVATE kigo_cuda_flags)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX BUILD_RPATH "${KIGO_CUDA_RUNPATH}")
  target_link_options(
    ${name} PRIVATE -Wl,--version-script,${CMAKE_CURRENT_SOURCE_DIR}/cuda/${exports} -Wl,--exclude-libs,ALL
                    -Wl,-z,nodelete -static-libstdc++ -static-libgcc)
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cuda/${exports})
endfunction()

kigo_cuda_library(kigo_cuda exports.map)
target_link_options(kigo_cuda PRIVATE -Wl,-z,defs)

# The same objects, and each operation by itself under a C name.
file(GLOB cuda_testing_sources CONFIGURE_DEPENDS cuda/testing/*.cpp cuda/testing/*.cu)
kigo_cuda_library(kigo_cuda_ops testing/exports.map ${cuda_testing_sources})

# Speed of a backend library, by hand: session_bench ./libkigo_cuda.so llama-3.1-8b Q4_K
add_executable(session_bench EXCLUDE_FROM_ALL cuda/bench/session_bench.cpp)
target_link_libraries(session_bench PRIVATE kigo_core)

# Speed of a decode step by itself, and of its kernels: decode_bench 8b-q4_k_m
add_executable(decode_bench EXCLUDE_FROM_ALL cuda/bench/decode_bench.cu $<TARGET_OBJECTS:kigo_cuda_objects>)
target_link_libraries(decode_bench PRIVATE kigo_cuda_flags)
