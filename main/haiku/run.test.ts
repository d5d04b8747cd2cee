import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HaikuAttempt, HaikuResult } from '../../contract/chat.ts'
import { createPromptBuilder } from '../chat/prompt.ts'
import type { PromptBuilder } from '../chat/types.ts'
import { Model } from '../engine/index.ts'
import { failure } from '../engine/testing/fake-addon.ts'
import { nodeLauncher } from '../isolated/node-launcher.ts'
import { createIsolation } from '../isolated/run-isolated.ts'
import { modelPath } from '../testing/golden.ts'
import { haikuProblem, runHaiku } from './index.ts'

const path = modelPath('smollm2')
const isolation = createIsolation(nodeLauncher)
afterAll(() => isolation.close())
const seeds = Array.from({ length: 60 }, (_, i) => i + 1)

describe.skipIf(path === null)('runHaiku (skipped without the model smollm2)', () => {
  let model: Model
  let prompts: PromptBuilder

  beforeAll(async () => {
    model = await Model.open(path!, { contextLength: 1024 })
    const { metadata, facts } = model.tokenizer
    prompts = await createPromptBuilder({ metadata, facts, run: isolation.run })
  })
  afterAll(() => model.close())

  it.each([0, 7, 21, 42, 59])(
    'minute %i: finds a haiku that holds it, and keeps every attempt',
    async (minute) => {
      const told: HaikuAttempt[] = []
      const result = await runHaiku({
        model,
        prompts,
        minute,
        seeds,
        onAttempt: (attempt) => told.push(attempt),
      })
      expect(result.ok).toBe(true)
      expect(haikuProblem(result.haiku!, minute)).toBeNull()
      expect(result.attempts).toEqual(told)
      expect(result.attempts.map(({ seed }) => seed)).toEqual(seeds.slice(0, result.attempts.length))
      expect(result.attempts.map(({ ok }) => ok)).toEqual(
        result.attempts.map((_, i) => i === result.attempts.length - 1),
      )
      for (const attempt of result.attempts)
        expect(attempt.problem ?? null).toBe(haikuProblem(attempt.text, minute))
      // Nothing was edited.
      expect(result.haiku).toBe(result.attempts.at(-1)!.text.trim())
    },
  )

  it('writes the same haiku for the same minute and seeds', async () => {
    const once = (): Promise<HaikuResult> => runHaiku({ model, prompts, minute: 42, seeds })
    const [first, second] = [await once(), await once()]
    expect(second.attempts).toEqual(first.attempts)
  })

  it('gives up when the seeds are used up, and says so', async () => {
    const result = await runHaiku({ model, prompts, minute: 42, seeds: [] })
    expect(result).toMatchObject({ ok: false, haiku: null, attempts: [] })
  })

  it('is cancelled by its signal', async () => {
    expect(
      await failure(runHaiku({ model, prompts, minute: 42, signal: AbortSignal.abort() })),
    ).toMatchObject({ code: 'CANCELLED' })
  })
})

const completer = modelPath('gemma3')

describe.skipIf(completer === null)(
  'runHaiku with a text completer (skipped without the model gemma3)',
  () => {
    it('takes the end of the paragraph for the end of the haiku', async () => {
      await using model = await Model.open(completer!, { contextLength: 1024 })
      const { metadata, facts } = model.tokenizer
      const prompts = await createPromptBuilder({ metadata, facts, run: isolation.run })
      const result = await runHaiku({ model, prompts, minute: 17, seeds: seeds.slice(0, 20) })
      expect(result.ok).toBe(true)
      for (const { text } of result.attempts) expect(text).not.toContain('\n\n')
    })
  },
)
