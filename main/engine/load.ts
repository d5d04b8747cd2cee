import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { KigoError } from '../../contract/errors.ts'
import { resourcePath } from '../resources.ts'
import { testEnvironment } from '../test-hooks.ts'
import type { Addon, DeviceInfo } from './addon.ts'

/** The version of native/include/kigo/abi.h that addon.ts describes. */
export const ABI_VERSION = 5

let loaded: Addon | null = null
let withBackends: Promise<Addon> | null = null
let noGpuLibrary: KigoError | null = null

/** The native addon; loaded once a process. INTERNAL, in words, where it is missing or from another build. */
export function loadAddon(): Addon {
  loaded ??= load(resourcePath('native/kigo.node'))
  return loaded
}

/** The addon with all backends that run here. Why the one for GPUs does not is what gpuProblem() says. */
export function loadEngine(): Promise<Addon> {
  withBackends ??= loadGpuLibrary(loadAddon())
  return withBackends
}

/** Why none of `devices` is a GPU that can be used; null where one is. Known once loadEngine() has ended. */
export function gpuProblem(devices: readonly DeviceInfo[]): KigoError | null {
  const gpus = devices.filter(({ id }) => id !== 'cpu')
  if (gpus.some(({ problem }) => problem === null)) return null
  return gpus[0] ? KigoError.from(gpus[0].problem) : noGpuLibrary
}

/** A GPU driver may take a second to answer the first time: that happens on a thread of its own. */
async function loadGpuLibrary(addon: Addon): Promise<Addon> {
  // In a checkout another library, or none: for tests, and for those who want no GPU to be touched.
  const path = testEnvironment['KIGO_GPU_LIBRARY'] ?? resourcePath('native/libkigo_cuda.so')
  try {
    if (path === '')
      throw new KigoError('DEVICE_UNAVAILABLE', 'KIGO_GPU_LIBRARY is empty, so GPUs are not used.')
    if (!existsSync(path)) {
      throw new KigoError('DEVICE_UNAVAILABLE', 'This Kigo was built without GPU support.', {
        hint: 'It runs on the CPU. In a checkout `node scripts/fetch-cuda.mjs` gets what GPU support is built with.',
        data: { path },
      })
    }
    await addon.loadBackend(path)
  } catch (error) {
    noGpuLibrary = KigoError.from(error)
  }
  return addon
}

function load(path: string): Addon {
  if (!existsSync(path)) {
    throw new KigoError('INTERNAL', 'The native engine is not built.', {
      hint: 'In a checkout, `npm start` builds it. An installed Kigo without it is incomplete: install it again.',
      data: { path },
    })
  }
  let addon: Addon
  try {
    addon = createRequire(import.meta.url)(path) as Addon
  } catch (cause) {
    throw new KigoError('INTERNAL', 'The native engine cannot be loaded on this machine.', {
      data: { path, message: cause instanceof Error ? cause.message : String(cause) },
      cause,
    })
  }
  if (addon.abiVersion !== ABI_VERSION) {
    throw new KigoError(
      'INTERNAL',
      `The native engine speaks version ${addon.abiVersion} of the engine’s interface; this Kigo needs ${ABI_VERSION}.`,
      {
        hint: 'Build both from the same sources: `npm start` does.',
        data: { path },
      },
    )
  }
  return addon
}
