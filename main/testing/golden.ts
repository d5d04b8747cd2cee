/**
 * Where tests find reference data and real models. Both may be absent on a developer's machine: then the tests
 * that need them are skipped and say so. With CI=true absence is a failure, so that no run is green for want of data.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

const MODELS = {
  smollm2: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  gemma3: 'gemma-3-270m-q4_k_m.gguf',
} as const

export type TestModel = keyof typeof MODELS

/** The folder of golden data (absolute, ends in a slash), or null; throws in CI. */
export function goldenDir(): string | null {
  return present(fileURLToPath(new URL('../../../shared/golden/', import.meta.url)), 'golden data')
}

/** The folder of small inputs that once went wrong (absolute, ends in a slash), or null; throws in CI. */
export function casesDir(): string | null {
  return present(fileURLToPath(new URL('../../../shared/cases/', import.meta.url)), 'folder of cases')
}

/** The absolute path of a real model, or null; throws in CI. */
export function modelPath(name: TestModel): string | null {
  return present(`${root}.cache/models/${MODELS[name]}`, `model ${name}`)
}

function present(path: string, what: string): string | null {
  if (existsSync(path)) return path
  if (process.env['CI'] === 'true')
    throw new Error(`The ${what} is not at ${path}, and CI=true forbids skipping.`)
  return null
}
