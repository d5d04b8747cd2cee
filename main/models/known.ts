import { existsSync } from 'node:fs'
import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'
import { resourcePath } from '../resources.ts'

/** The model that comes with Kigo. Its header has the name of the checkpoint that it was made from, "…8k Lc100K Mix1 Ep2". */
export const DEFAULT_MODEL = { file: 'SmolLM2-135M-Instruct.Q4_1.gguf', name: 'SmolLM2 135M Instruct' }

/** Models that can be named instead of their path, by the file that set-up fetches. */
const KNOWN_MODELS: ReadonlyMap<string, string> = new Map([
  ['smollm2', DEFAULT_MODEL.file],
  ['gemma3', 'gemma-3-270m-q4_k_m.gguf'],
])

/** The path of a model that was given by path or by name. MODEL_NOT_FOUND: a known name whose file is not here. */
export function modelPath(given: string): string {
  const file = KNOWN_MODELS.get(given)
  if (!file) return given
  const dist = path.dirname(resourcePath('native'))
  // In a checkout set-up fetches them; a package carries the default one.
  const candidates = [
    path.join(dist, '..', '.cache', 'models', file),
    path.join(dist, '..', '..', 'models', file),
  ]
  const found = candidates.find((candidate) => existsSync(candidate))
  if (found) return found
  throw new KigoError('MODEL_NOT_FOUND', `The model ${given} is not on this computer.`, {
    hint: `In a checkout \`node scripts/fetch-model.mjs ${given}\` fetches it; or give the path of a .gguf file.`,
    data: { model: given, file },
  })
}
