import { describe, expect, it } from 'vitest'
import type { KigoError } from '../../contract/errors.ts'
import type { MetadataValue } from '../gguf/types.ts'
import {
  invalid,
  isStrings,
  KIND,
  plainId,
  readVocabulary,
  requireId,
  type Vocabulary,
} from './vocabulary.ts'

const NONE = { bos: null, eos: null, unknown: null }

/** A vocabulary of these texts, all ordinary unless `keys` says otherwise. */
function vocabulary(texts: string[], keys: Record<string, MetadataValue> = {}, defaults: Defaults = NONE) {
  return readVocabulary(metadata({ tokens: texts, ...keys }), defaults)
}
type Defaults = Parameters<typeof readVocabulary>[1]

const metadata = (keys: Record<string, MetadataValue>): Map<string, MetadataValue> =>
  new Map(Object.entries(keys).map(([key, value]) => [`tokenizer.ggml.${key}`, value]))

const ends = ({ endTokens, texts }: Vocabulary): (string | undefined)[] => endTokens.map((id) => texts[id])

const errorOf = (act: () => unknown): KigoError => {
  try {
    act()
  } catch (error) {
    return error as KigoError
  }
  return expect.unreachable('nothing was refused')
}

describe('the tokens that end a reply', () => {
  it.each([
    ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>'],
    ...['<end_of_turn>', '<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]'],
    ...['<|end_of_text|>', '<end_of_utterance>', '<eos>', '<turn|>', '<|tool_response>', '[e~['],
    '<｜end▁of▁sentence｜>',
  ])('are known by their names, and are control tokens then: %s', (text) => {
    const read = vocabulary(['a', text, 'b'])
    expect(read.endTokens).toEqual([1])
    expect([...read.kinds]).toEqual([KIND.normal, KIND.control, KIND.normal])
  })

  it('are those that the header names, as they are typed', () => {
    const read = vocabulary(['a', 'b', 'c', 'd'], { eos_token_id: 3, eot_token_id: 0, eom_token_id: 2 })
    expect(ends(read)).toEqual(['a', 'c', 'd'])
    expect(read.eos).toBe(3)
    expect([...read.kinds]).toEqual([1, 1, 1, 1])
  })

  it('are given by id, and none where there is none', () => {
    expect(vocabulary(['</s>', 'a', '<eos>', '<|im_end|>']).endTokens).toEqual([0, 2, 3])
    expect(vocabulary(['a']).endTokens).toEqual([])
  })

  it('are a token and its twins, which become what it is', () => {
    const read = vocabulary(['<eos>', 'a', '<eos>', 'a'])
    expect(read.endTokens).toEqual([0, 2])
    expect([...read.kinds]).toEqual([KIND.control, KIND.normal, KIND.control, KIND.normal])
    expect(read.ids.get('a')).toBe(1)
  })

  it('fall back to the default of a vocabulary', () => {
    expect(vocabulary(['a', 'b'], {}, { ...NONE, eos: 1 }).endTokens).toEqual([1])
    expect(vocabulary(['a', 'b'], { eos_token_id: 0 }, { ...NONE, eos: 1 }).endTokens).toEqual([0])
    expect(vocabulary(['a', 'b'], {}, { ...NONE, eos: 2 }).endTokens).toEqual([])
  })

  it('are refused where the only one is outside of the vocabulary, and left out where there is another', () => {
    expect(errorOf(() => vocabulary(['a', 'b'], { eos_token_id: 2 }))).toMatchObject({
      code: 'MODEL_INVALID',
      data: { key: 'tokenizer.ggml.eos_token_id', value: '2' },
      message: expect.stringContaining('tokenizer.ggml.eos_token_id is 2, and there are 2 tokens') as unknown,
    })
    expect(ends(vocabulary(['a', '<eos>'], { eos_token_id: 2 }))).toEqual(['<eos>'])
  })
})

describe('markers for filling in', () => {
  it.each([
    ...['<|fim_prefix|>', '<fim-prefix>', '<fim_prefix>', '<｜fim▁begin｜>', '<PRE>', '▁<PRE>'],
    ...['<|code_prefix|>', '<|prefix|>', '<|fim_suffix|>', '<fim-suffix>', '<fim_suffix>', '<｜fim▁hole｜>'],
    ...['<SUF>', '▁<SUF>', '<|code_suffix|>', '<|suffix|>', '<|fim_middle|>', '<fim-middle>', '<fim_middle>'],
    ...['<｜fim▁end｜>', '<MID>', '▁<MID>', '<|code_middle|>', '<|middle|>'],
  ])('are control tokens and end no reply: %s', (text) => {
    const read = vocabulary(['a', text])
    expect(read.endTokens).toEqual([])
    expect([...read.kinds]).toEqual([KIND.normal, KIND.control])
  })

  it.each([
    ...['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]', '<|fim_repo|>', '<|repo_name|>'],
    ...['<fim-repo>', '<REPO>', '<reponame>', '<|file_sep|>'],
  ])('are control tokens, and padding, repository and file separator end a reply: %s', (text) => {
    const read = vocabulary(['a', text])
    expect(read.endTokens).toEqual([1])
    expect([...read.kinds]).toEqual([KIND.normal, KIND.control])
  })

  it('are those that the header names, as they are typed, in place of the known ones', () => {
    const read = vocabulary(['<|fim_pad|>', 'pad', '<|fim_prefix|>'], {
      fim_pad_token_id: 1,
      fim_pre_token_id: 1,
    })
    expect(read.endTokens).toEqual([1])
    expect([...read.kinds]).toEqual([1, 1, 1])
  })

  it('are the lowest id of several', () => {
    const read = vocabulary(['a', '[PAD]', '<|fim_pad|>'])
    expect(read.endTokens).toEqual([1])
    expect([...read.kinds]).toEqual([1, 3, 1])
  })
})

describe('a marker that ends no reply beside others', () => {
  it.each([
    ['<|return|>', '<|call|>'],
    ['<|call|>', '<|flush|>'],
    ['<|calls|>', '<|flush|>'],
  ])('is <|end|>, where %s and %s do', (...others) => {
    const read = vocabulary(['<|end|>', ...others])
    expect(ends(read)).toEqual(others)
    expect(read.withinTurn).toBe(0)
    expect(read.kinds[0]).toBe(KIND.control)
  })

  it.each([
    [[]],
    [['<|return|>']],
    [['<|call|>']],
    [['<|flush|>']],
    [['<|calls|>']],
    [['<|call|>', '<|calls|>']],
    [['<|return|>', '<|calls|>']],
    [['<|return|>', '<|flush|>']],
  ])('is not <|end|> beside %j', (others) => {
    const read = vocabulary(['<|end|>', ...others])
    expect(ends(read)).toEqual(['<|end|>', ...others])
    expect(read.withinTurn).toBeNull()
  })

  it('is none where there is no <|end|>', () => {
    expect(vocabulary(['<|return|>', '<|call|>']).withinTurn).toBeNull()
  })

  it('is </s> where there is <|tool_response>: it is text then', () => {
    const read = vocabulary(['</s>', '<|tool_response>', 'a'])
    expect(ends(read)).toEqual(['<|tool_response>'])
    expect(read.kinds[0]).toBe(KIND.normal)
    expect(ends(vocabulary(['</s>', '<eos>']))).toEqual(['</s>', '<eos>'])
  })
})

describe('what a header says of its tokens', () => {
  it('is read, with what is not known left undefined', () => {
    const read = vocabulary(['a', 'b', 'c', 'd', 'e', '<0xFF>', 'f', 'g'], {
      token_type: Int32Array.of(0, 1, 2, 3, 4, 6, 7, -1),
      scores: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
      bos_token_id: 1,
      unknown_token_id: 2,
    })
    expect([...read.kinds]).toEqual([0, 1, 2, 3, 4, 6, 0, 0])
    expect(read.scores).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7))
    expect(read).toMatchObject({ bos: 1, unknown: 2, eos: null })
    expect(vocabulary(['a'], { token_type: Int32Array.of(5) }).kinds[0]).toBe(KIND.unused)
    expect(vocabulary(['a']).scores).toBeNull()
  })

  it('names a token without a text by its id', () => {
    expect(vocabulary(['a', '', 'b', '']).texts).toEqual(['a', '[EMPTY_1]', 'b', '[EMPTY_3]'])
  })

  it.each<[Record<string, MetadataValue>, string, string]>([
    [{ tokens: [] }, 'tokens', 'tokenizer.ggml.tokens is not a list of texts'],
    [{ tokens: [true] }, 'tokens', 'tokenizer.ggml.tokens is not a list of texts'],
    [{ token_type: Int32Array.of(1) }, 'token_type', 'token_type has 1 entries for 2 tokens'],
    [{ token_type: BigInt64Array.of(1n, 1n) }, 'token_type', 'token_type is not a list of numbers'],
    [{ token_type: BigUint64Array.of(1n, 1n) }, 'token_type', 'token_type is not a list of numbers'],
    [{ scores: 'a' }, 'scores', 'scores is not a list of numbers'],
    [{ scores: Float32Array.of(0, Infinity) }, 'scores', 'the score of token 1 is Infinity'],
    [{ token_type: Int32Array.of(1, 6) }, 'tokens', 'byte token 1 is "b", not of the form <0xHH>'],
    [
      { tokens: ['a', 'x<0x00>'], token_type: Int32Array.of(1, 6) },
      'tokens',
      'byte token 1 is "x<0x00>", not of the form <0xHH>',
    ],
    [
      { tokens: ['a', '<0x00>x'], token_type: Int32Array.of(1, 6) },
      'tokens',
      'byte token 1 is "<0x00>x", not of the form <0xHH>',
    ],
  ])('is refused where it does not hold together: %#', (keys, key, problem) => {
    const { code, data, message } = errorOf(() =>
      readVocabulary(metadata({ tokens: ['a', 'b'], ...keys }), NONE),
    )
    expect(code).toBe('MODEL_INVALID')
    expect(data).toMatchObject({ key: `tokenizer.ggml.${key}` })
    expect(message).toMatch(/^The vocabulary is damaged: .*\.$/)
    expect(message).toContain(problem)
  })

  it('is told by the token that it is wrong of', () => {
    expect(errorOf(() => vocabulary(['a', 'b'], { scores: Float32Array.of(0, NaN) })).data).toMatchObject({
      token: 1,
    })
    expect(errorOf(() => vocabulary(['a', 'b'], { token_type: Int32Array.of(1, 6) })).data).toMatchObject({
      token: 1,
    })
    expect(invalid('k', 'it is odd', { token: 3 })).toMatchObject({ data: { key: 'k', token: 3 } })
  })
})

it('a text that a person typed is the token of that text, but no marker, unless it is a single character', () => {
  const read = vocabulary(['aa', '<s>', '<u>', '~', 'bb'], { token_type: Int32Array.of(1, 3, 2, 3, 4) })
  expect(['aa', '<s>', '<u>', '~', 'bb', 'none'].map((text) => plainId(read, text))).toEqual([
    ...[0, undefined, undefined, 3, 4, undefined],
  ])
})

it('a list of texts is told by its first entry', () => {
  expect([[], ['a'], [true], 'a', undefined, new Uint8Array(1)].map((value) => isStrings(value))).toEqual([
    ...[true, true, false, false, false, false],
  ])
})

it('an id that must be there may be absent, and not outside', () => {
  expect(() => requireId(metadata({}), 'bos', 2)).not.toThrow()
  expect(() => requireId(metadata({ bos_token_id: 1 }), 'bos', 2)).not.toThrow()
  expect(() => requireId(metadata({ bos_token_id: 2 }), 'bos', 2)).toThrow('bos_token_id is 2')
})
