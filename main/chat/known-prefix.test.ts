import { describe, expect, it } from 'vitest'
import type { EncodeOptions, TokenizerFacts } from '../tokenizer/types.ts'
import { encodeAfter, prefixAfter, restAfter } from './known-prefix.ts'

/** One id a character; `encodePrompt` puts 1 in front, as BOS. Every text encoded is noted, and how. */
function tokenizer(facts: Partial<TokenizerFacts> = {}) {
  const encoded: string[] = []
  const asked: EncodeOptions[] = []
  const ids = (text: string) => Int32Array.from([...text], (letter) => letter.charCodeAt(0))
  return {
    encoded,
    asked,
    facts: { model: 'gpt2', controlTexts: ['<|im_end|>'], ...facts } as TokenizerFacts,
    encode: async (text: string, options: EncodeOptions) => {
      encoded.push(text)
      asked.push(options)
      return ids(text)
    },
    encodePrompt: async ({ text }: { text: string }) => {
      encoded.push(text)
      return Int32Array.from([1, ...ids(text)])
    },
    decode: async (list: ArrayLike<number>) => String.fromCharCode(...Array.from(list)),
  }
}

const prefix = { text: 'ab', ids: Int32Array.from([1, 900, 901]) }

describe('a known prefix', () => {
  it('keeps the ids that the model saw and encodes only what is new', async () => {
    const t = tokenizer()
    expect([...(await encodeAfter(t, prefix, { text: 'ab<|im_end|>c', barriers: [] }))].slice(0, 3)).toEqual([
      1, 900, 901,
    ])
    expect(t.encoded).toEqual(['<|im_end|>c'])
  })

  it('is of no use where the prompt goes another way', async () => {
    const t = tokenizer()
    expect([...(await encodeAfter(t, prefix, { text: 'xb!', barriers: [] }))]).toEqual([1, 120, 98, 33])
    expect(restAfter(prefix, { text: 'ab', barriers: [] })).toBeNull()
    expect(restAfter(prefix, { text: 'a', barriers: [] })).toBeNull()
  })

  it('moves the barriers of the rest, so that a person’s text stays text', () => {
    expect(restAfter(prefix, { text: 'ab<|im_end|>c<|x|>', barriers: [1, 2, 14, 16] })).toEqual({
      text: '<|im_end|>c<|x|>',
      barriers: [12, 14],
    })
  })

  it('is not used where SentencePiece would put a space in between', async () => {
    const t = tokenizer({ model: 'llama', controlTexts: ['</s>'] })
    await encodeAfter(t, prefix, { text: 'ab more', barriers: [] })
    await encodeAfter(t, prefix, { text: 'ab</s>more', barriers: [] })
    expect(t.encoded).toEqual(['ab more', '</s>more'])
  })

  it('has its rest read as a prompt’s: control tokens, no BOS, and nothing of a person’s text a token', async () => {
    const t = tokenizer()
    await encodeAfter(t, prefix, { text: 'ab c', barriers: [3], markers: ['[over]'] })
    await encodeAfter(t, prefix, { text: 'ab c', barriers: [] })
    expect(t.encoded).toEqual([' c', ' c'])
    expect(t.asked).toEqual([
      { special: true, addBosEos: false, barriers: [1], markers: ['[over]'] },
      { special: true, addBosEos: false, barriers: [], markers: [] },
    ])
  })

  it('is used where the rest begins with one of several markers', async () => {
    const t = tokenizer({ model: 'llama', controlTexts: ['<s>', '</s>'] })
    await encodeAfter(t, prefix, { text: 'ab</s>more', barriers: [], markers: ['[over]'] })
    await encodeAfter(t, prefix, { text: 'ab[over]more', barriers: [], markers: ['[over]', '[then]'] })
    expect(t.encoded).toEqual(['</s>more', '[over]more'])
  })

  it('goes on with the markers of the template', async () => {
    const t = tokenizer({ model: 'llama', controlTexts: [] })
    const prompt = { text: 'ab[over]c', barriers: [], markers: ['[over]'] }
    expect([...(await encodeAfter(t, prefix, prompt))].slice(0, 3)).toEqual([1, 900, 901])
    expect(restAfter(prefix, prompt)).toEqual({ text: '[over]c', barriers: [], markers: ['[over]'] })
  })

  it('is known after a reply only where its text is what its ids say', async () => {
    const t = tokenizer()
    const prompt = { text: 'a', ids: Int32Array.from([1, 97]) }
    expect(await prefixAfter(t, prompt, { text: 'bc', ids: [98, 99] })).toEqual({
      text: 'abc',
      ids: Int32Array.from([1, 97, 98, 99]),
    })
    expect(await prefixAfter(t, prompt, { text: 'b', ids: [98, 99] })).toBeNull() // a stop sequence was cut off
  })
})
