/**
 * Broken files, thousands of them: each is either read or refused with a KigoError, soon and without much memory.
 * The seed is fixed. `npm run fuzz -- SECONDS [SEED]` runs the same for as long as one likes.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { judgeGguf } from '../models/inspect.ts'
import { processorTime } from '../testing/processor-time.ts'
import { readGguf } from './index.ts'
import {
  array,
  bool,
  buildGguf,
  f64,
  text,
  texts,
  u32,
  u64,
  type GgufToBuild,
  type Value,
} from './testing/build-gguf.ts'
import { mutate } from './testing/mutate.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyMetadata, tinyModel, tinyTensors } from './testing/tiny-model.ts'

const SECONDS = Number(process.env['KIGO_FUZZ_SECONDS'] ?? 0)
const SEED = Number(process.env['KIGO_FUZZ_SEED'] ?? 1)
const FILES_IN_A_TEST_RUN = 4000
const SLOWEST_MS = 2000
const MOST_MEMORY = 300 * 2 ** 20

const Q4_0 = 2

const files = new TempFiles()
afterAll(() => files.remove())

const VARIED: Record<string, Value> = {
  'general.alignment': u32(32),
  'general.file_type': u32(15),
  'a.nested': array([array([u32(1), u32(2)]), array([texts('x', 'yy')])]),
  'a.flags': array([bool(true), bool(false)]),
  'a.long': u64(2n ** 60n),
  'a.double': f64(Math.PI),
  'llama.rope.scaling.type': text('yarn'),
  'llama.rope.scaling.factor': f64(4),
  'tokenizer.ggml.bos_token_id': u32(1),
}

const SEEDS: GgufToBuild[] = [
  { metadata: tinyMetadata('llama', VARIED), tensors: tinyTensors('llama') },
  tinyModel('qwen2'),
  tinyModel('gemma3', { 'gemma3.attention.sliding_window': u32(8), 'tokenizer.ggml.model': text('llama') }),
  {
    metadata: tinyMetadata('llama'),
    tensors: tinyTensors('llama').map((t) => (t.dims.length === 2 ? { ...t, type: Q4_0 } : t)),
  },
]

describe('mutated files', () => {
  const originals = SEEDS.map((spec) => {
    const bytes = buildGguf(spec)
    // The data behind the header is all zero; what matters ends here.
    const reach = buildGguf({ ...spec, dataBytes: 0 }).length
    return { bytes, reach }
  })

  it('the originals are sound', async () => {
    for (const { bytes } of originals) {
      const inspection = await inspect(files.write(bytes))
      expect(inspection.problem).toBeNull()
    }
  })

  it(
    'are read or refused, each in bounded time and memory',
    { timeout: SECONDS > 0 ? SECONDS * 1000 + 60_000 : 120_000 },
    async () => {
      const outcomes = new Map<string, number>()
      const started = performance.now()
      const memoryBefore = process.memoryUsage().rss
      const goesOn = (i: number) =>
        SECONDS > 0 ? performance.now() - started < SECONDS * 1000 : i < FILES_IN_A_TEST_RUN

      for (let i = 0; goesOn(i); i++) {
        const seed = SEED + i
        const { bytes, reach } = originals[seed % originals.length]!
        const broken = mutate(bytes, reach, seed)
        const spent = processorTime()
        const outcome = await outcomeOf(files.write(broken))
        const took = spent()
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        if (!OUTCOMES.has(outcome) || took > SLOWEST_MS) {
          expect.fail(`seed ${seed}: ${outcome} after ${took.toFixed(0)} ms\n${broken.toString('base64')}`)
        }
      }
      expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(MOST_MEMORY)
      if (SECONDS > 0) {
        console.log(`seed ${SEED}:`, Object.fromEntries(outcomes))
        return
      }
      // The mutations reach past the first check: many kinds of refusal, and some files that are still sound.
      for (const outcome of COMMON) expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(10)
    },
  )
})

const COMMON = ['ok', 'MODEL_NOT_GGUF', 'MODEL_TRUNCATED', 'MODEL_INVALID', 'UNSUPPORTED_QUANTIZATION']
const OUTCOMES = new Set([...COMMON, 'UNSUPPORTED_ARCHITECTURE'])

/** 'ok', or the code of the refusal, at reading or at judging. */
async function outcomeOf(path: string): Promise<string> {
  try {
    return (await inspect(path)).problem?.code ?? 'ok'
  } catch (error) {
    return error instanceof KigoError ? error.code : `not a KigoError: ${String(error)}`
  }
}

async function inspect(path: string) {
  const { inspection } = await judgeGguf(await readGguf(path), path, {
    templateVerdict: () =>
      Promise.resolve({ present: false, ok: false, thinking: false, system: true, mode: 'completion' }),
  })
  return inspection
}
