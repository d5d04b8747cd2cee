/** Perplexity of the real models on ../shared/golden/real/gpl-3.txt, beside the exact figure and the rival's. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { goldenDir, modelPath, type TestModel } from '../testing/golden.ts'
import { Model } from './index.ts'
import { Perplexity } from './perplexity.ts'

const N_CTX = 512
const FIGURES: Record<TestModel, { exact: number; rival: number }> = {
  smollm2: { exact: 18.2996, rival: 18.3797 },
  gemma3: { exact: 13.829, rival: 13.8837 },
}
const golden = goldenDir()

async function measure(path: string, exact: boolean): Promise<number> {
  await using model = await Model.open(path, { exact, contextLength: N_CTX })
  await using session = await model.createSession()
  const counted = await Perplexity.of(model.tokenizer, readFileSync(`${golden}real/gpl-3.txt`, 'utf8'), N_CTX)
  while (counted.chunks < counted.totalChunks) await counted.scoreNext(session)
  return counted.result().perplexity
}

describe.each(Object.entries(FIGURES))('perplexity of %s', (name, { exact, rival }) => {
  const path = modelPath(name as TestModel)
  const skip = golden === null || path === null
  const MINUTES = 60_000

  it.skipIf(skip)(
    'exact: within 0.1 % (skipped without golden data and model)',
    { timeout: 15 * MINUTES },
    async () => {
      expect(Math.abs((await measure(path!, true)) / exact - 1)).toBeLessThan(0.001)
    },
  )

  it.skipIf(skip)('fast: no further from exact than the rival', { timeout: 10 * MINUTES }, async () => {
    expect(Math.abs((await measure(path!, false)) - exact)).toBeLessThanOrEqual(Math.abs(rival - exact))
  })
})
