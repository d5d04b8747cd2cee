import { KigoError } from '../../contract/errors.ts'
import type { Device, DeviceList } from '../../contract/model.ts'
import type { DeviceInfo } from './addon.ts'
import { gpuProblem } from './load.ts'

/** What people are shown of the devices: `kigo devices` and the settings. */
export function deviceList(devices: readonly DeviceInfo[]): DeviceList {
  return { devices: devices.map(shown), noGpu: gpuProblem(devices)?.toData() ?? null }
}

function shown({ id, name, totalBytes, freeBytes, detail, threads, problem }: DeviceInfo): Device {
  const why = problem === null ? null : KigoError.from(problem).message
  return { id, name, totalBytes, freeBytes, detail, threads, problem: why }
}
