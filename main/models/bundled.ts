/** The model that comes with Kigo: in a package beside the archive, in a checkout where set-up fetched it. */
import { KigoError } from '../../contract/errors.ts'
import { modelPath } from './known.ts'

/** Its path, or null where it is not on this computer. */
export function bundledModel(): string | null {
  try {
    return modelPath('smollm2')
  } catch (error) {
    if (error instanceof KigoError && error.code === 'MODEL_NOT_FOUND') return null
    throw error
  }
}
