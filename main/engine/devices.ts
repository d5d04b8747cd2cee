import { KigoError } from '../../contract/errors.ts'
import type { Device, DeviceList } from '../../contract/model.ts'
import type { DeviceInfo } from './addon.ts'
import { gpuProblem } from './load.ts'

/** What people are shown of the devices: `kigo devices` and the settings. */
export function deviceList(devices: readonly DeviceInfo[]): DeviceList {
  return { devices: devices.map(shown), noGpu: gpuProblem(devices)?.toData() ?? null }
}

function shown(device: DeviceInfo): Device {
  const { id, name, totalBytes, detail, threads, problem } = device
  const why = problem === null ? null : KigoError.from(problem).message
  return { id, name, totalBytes, freeBytes: bytesForModels(device), detail, threads, problem: why }
}

/** Of `free` bytes of a device, those that a model can have: the driver's are none of them. */
export function bytesForModels({ freeBytes, driverBytes }: DeviceInfo, free = freeBytes): number {
  return Math.max(0, free - driverBytes)
}
