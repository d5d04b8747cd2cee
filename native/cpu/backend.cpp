#include "cpu/backend.h"

#include <cstdio>
#include <fstream>
#include <string>

#include "core/backend_table.h"
#include "cpu/free_memory.h"
#include "cpu/kernels/isa.h"
#include "cpu/session.h"

namespace kigo::cpu {

namespace {

/** "AMD EPYC 9654 96-Core Processor". */
std::string processor_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line)) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

struct CpuBackend {
  static constexpr const char* name = "cpu";
  using Model = cpu::Model;
  using Session = cpu::Session;

  static int32_t device_count() { return 1; }

  static kigo_device_info device_info(int32_t index) {
    if (index != 0) throw Error(KIGO_INVALID_INPUT, "There is one CPU device, number 0.");
    kigo_device_info info = {};
    const int cores = usable_physical_cores();
    const HostMemory memory = host_memory();
    const std::string instructions(isa_name(isa()));
    std::snprintf(info.id, sizeof info.id, "cpu");
    std::snprintf(info.name, sizeof info.name, "%s", processor_name().c_str());
    std::snprintf(info.detail, sizeof info.detail, "%s, %d %s", instructions.c_str(), cores,
                  cores == 1 ? "core" : "cores");
    info.total_bytes = memory.total;
    info.free_bytes = memory.free;
    info.threads = cores;
    return info;
  }

  static kigo_memory plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session) {
    const Description d = read_description(desc, options);
    expect_runnable(d.config);
    const Precision precision = options->exact != 0 ? Precision::exact : Precision::fast;
    const SessionLayout layout = layout_session(d.config, d.range, precision, thread_count(*options), session);
    return {d.weight_bytes(), layout.kv_bytes, layout.workspace_bytes};
  }
};

}  // namespace

const kigo_backend_api* backend() { return BackendTable<CpuBackend>::get(); }

}  // namespace kigo::cpu
