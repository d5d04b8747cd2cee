import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { KigoError } from '../../contract/errors.ts'
import { resourcePath } from '../resources.ts'
import type { Addon } from './addon.ts'

/** The version of native/include/kigo/abi.h that addon.ts describes. */
export const ABI_VERSION = 1

let loaded: Addon | null = null

/** The native addon; loaded once a process. INTERNAL, in words, where it is missing or from another build. */
export function loadAddon(): Addon {
  loaded ??= load(resourcePath('native/kigo.node'))
  return loaded
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
