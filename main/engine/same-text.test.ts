import { describe, expect, it } from 'vitest'
import { modelPath } from '../testing/golden.ts'
import { Model } from './index.ts'

const smollm2 = modelPath('smollm2')

describe('a prompt', () => {
  it.skipIf(!smollm2)('gives the same tokens whether the cache holds none, most or all of it', async () => {
    await using model = await Model.open(smollm2 ?? '')
    await using session = await model.createSession({ contextLength: 512 })
    const tokens = await model.tokenizer.encode(
      '<|im_start|>user\nName three colours and say why.<|im_end|>\n<|im_start|>assistant\n',
      {
        special: true,
        addBosEos: false,
      },
    )
    const reply = async (): Promise<string> => {
      const words: string[] = []
      for await (const event of session.generate({ tokens, sampling: { temperature: 0 }, maxTokens: 16 })) {
        if (event.type !== 'text') continue
        for (const { id, logprob } of event.records) words.push(`${id} ${logprob}`)
      }
      return words.join('\n')
    }
    const first = await reply()
    expect(await reply()).toBe(first) // all of it, and the reply
    await session.truncate(tokens.length - 3)
    expect(await reply()).toBe(first) // most of it
    await session.truncate(0)
    expect(await reply()).toBe(first) // none
  })
})

describe('truncate', () => {
  it.skipIf(!smollm2)('forgets nothing for a length that is none', async () => {
    await using model = await Model.open(smollm2 ?? '')
    await using session = await model.createSession({ contextLength: 64 })
    await session.score([1, 2, 3, 4])
    for (const length of [NaN, Infinity, 2 ** 32, 1.5, -1, 5])
      await expect(session.truncate(length)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(session.length).toBe(4)
    await session.truncate(2)
    expect(session.length).toBe(2)
  })
})
