import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { readGguf } from '../gguf/index.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { processorTime } from '../testing/processor-time.ts'
import { StreamDecoder, tokenizerFromGguf, type Tokenizer } from './index.ts'

const golden = goldenDir()
const PLAIN = { special: false, addBosEos: false }
const MARKED = { special: true, addBosEos: false }
const FULL = { special: true, addBosEos: true }

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        ' ',
        '  ',
        '\n',
        '\r\n',
        '\t',
        "'s",
        "'LL",
        'the',
        'Ünï',
        '漢字',
        '१२३',
        '12345',
        '👩‍👩‍👧',
        '\u0301',
        '\ufeff',
        '\u3000',
        '<|end|>',
        '▁',
        '!?',
        'aaaa',
        '\u0000',
        '~',
      ),
      { maxLength: 30 },
    )
    .map((all) => all.join('')),
)

describe.skipIf(!golden)('for any text', () => {
  const files = golden
    ? [
        ...['gpt-2', 'qwen2', 'llama-bpe', 'llama-spm', 'gemma-4'].map(
          (name) => [name, `${golden}tokenizer/${name}.gguf`] as const,
        ),
        ...(['smollm2', 'gemma3'] as const).flatMap((name) =>
          modelPath(name) ? [[name, modelPath(name) as string] as const] : [],
        ),
      ]
    : []
  describe.each(files)('%s', (_name, file) => {
    let tokenizer: Tokenizer
    beforeAll(async () => {
      tokenizer = tokenizerFromGguf((await readGguf(file)).metadata)
    })

    it('decoding what was encoded gives the text', () => {
      // SmolLM2's vocabulary lacks some bytes that only rare planes use; the reference drops them as well.
      const { bytes, offsets } = tokenizer.pieces()
      const known = new Set(
        Array.from({ length: tokenizer.size }, (_, id) =>
          (offsets[id + 1] as number) - (offsets[id] as number) === 1 ? bytes[offsets[id] as number] : -1,
        ),
      )
      fc.assert(
        fc.property(text, (x) => {
          fc.pre(Buffer.from(x).every((byte) => known.has(byte)))
          // Vocabularies that write a space as ▁ cannot tell the two apart.
          const expected = ['llama', 'gemma4'].includes(tokenizer.model) ? x.replaceAll('▁', ' ') : x
          expect(
            tokenizer
              .decode(tokenizer.encode(x, PLAIN))
              .replaceAll('▁', tokenizer.model === 'gpt2' ? '▁' : ' '),
          ).toBe(expected)
        }),
        { numRuns: 300, seed: 1 },
      )
    })

    it('streaming token by token gives what decoding the whole gives, but for an unfinished character', () => {
      const ids = fc.array(fc.integer({ min: 0, max: tokenizer.size - 1 }), { maxLength: 40 })
      const pieces = tokenizer.pieces()
      fc.assert(
        fc.property(ids, (all) => {
          const decoder = new StreamDecoder(pieces)
          const streamed = all.map((id) => decoder.push(id)).join('')
          // All but a character that is not whole at the end.
          const whole = new TextDecoder('utf-8', { ignoreBOM: true })
          expect(streamed).toBe(whole.decode(tokenizer.decodeBytes(all), { stream: true }))
        }),
        { numRuns: 300, seed: 2 },
      )
    })

    it('barriers at every place make marked text plain', () => {
      fc.assert(
        fc.property(text, (x) => {
          const barriers = Array.from({ length: x.length }, (_, i) => i)
          expect(tokenizer.encode(x, { ...MARKED, barriers })).toEqual(tokenizer.encode(x, PLAIN))
        }),
        { numRuns: 200, seed: 3 },
      )
    })

    it('100 kB take no more than a moment, whatever they hold', () => {
      const texts = [
        'a',
        ' ',
        '\n',
        '1',
        '漢',
        'e\u0301',
        '<',
        '<|',
        "'",
        '!',
        'ab',
        ' x',
        '\t\t ',
        '\u00a0',
        '🙂',
        '<unused1>',
        '</s>',
        'the quick brown fox ',
      ].map((unit) => unit.repeat(Math.ceil(100_000 / unit.length)))
      for (const x of [...texts, `${' '.repeat(100_000)}x`, `${'1'.repeat(100_000)}x`]) {
        const spent = processorTime()
        tokenizer.encode(x, FULL)
        // 20 to 120 ms where measured; this only catches quadratic work.
        expect(spent(), JSON.stringify(x.slice(0, 8))).toBeLessThan(3000)
      }
    })
  })

  it('every pre-tokenizer is linear in whatever it is given', async () => {
    const { metadata } = await readGguf(`${golden}tokenizer/gpt-2.gguf`)
    const { PRE_TOKENIZERS } = await import('./pre-tokenizers.ts')
    const { splitByRules } = await import('./pre-split.ts')
    expect(PRE_TOKENIZERS.size).toBeGreaterThan(80)
    expect(metadata.size).toBeGreaterThan(0)
    const texts = ['a', 'A', ' ', '\n', '1', '漢', '!', 'a ', ' 漢', "a'", '\u0301', '1x'].map((unit) =>
      unit.repeat(50_000),
    )
    texts.push(
      `${' '.repeat(100_000)}x`,
      `${'1'.repeat(100_000)}x`,
      `${'A'.repeat(100_000)}1`,
      `${' '.repeat(50_000)}漢`.repeat(2),
      `${'१'.repeat(50_000)}1`,
    )
    for (const preTokenizer of new Set(PRE_TOKENIZERS.values())) {
      for (const x of texts) {
        const spent = processorTime()
        const ends = splitByRules(x, preTokenizer.rules)
        expect(
          spent(),
          `${[...PRE_TOKENIZERS].find(([, value]) => value === preTokenizer)?.[0]} ${JSON.stringify(x.slice(0, 4))}`,
        ).toBeLessThan(2000)
        expect(ends.at(-1)).toBe(x.length)
        expect(ends.every((end, i) => end > (ends[i - 1] ?? 0))).toBe(true)
      }
    }
  })
})
