import { describe, expect, it } from 'vitest'
import { readGguf, type Metadata, type MetadataValue } from '../gguf/index.ts'
import { goldenDir } from '../testing/golden.ts'
import { StreamDecoder, tokenizerFromGguf, tokenizerNotes, type Tokenizer } from './index.ts'

const golden = goldenDir()
const PLAIN = { special: false, addBosEos: false }
const MARKED = { special: true, addBosEos: false }
const FULL = { special: true, addBosEos: true }

// A vocabulary of single bytes in GPT-2's alphabet, a few merges and markers: what these tests need of a file.
const letters = Array.from({ length: 256 }, (_, byte) => {
  const printable = (b: number): boolean => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae
  const rank = Array.from({ length: byte }, (_unused, b) => b).filter((b) => !printable(b)).length
  return String.fromCharCode(printable(byte) ? byte : 256 + rank)
})
const WORDS = ['th', 'the', 'Ġthe', 'an', 'Ġa']
const MERGES = ['t h', 'th e', 'Ġ the', 'a n', 'Ġ a']
const MARKERS = ['<|start|>', '<|end|>', '<tag>', '<|endoftext|>']
const TOKENS = [...letters, ...WORDS, ...MARKERS]
const ID = Object.fromEntries(TOKENS.map((text, id) => [text, id]))
const TYPES = TOKENS.map((text) => (text === '<tag>' ? 4 : MARKERS.includes(text) ? 3 : 1))

function bytePairMetadata(changes: Record<string, MetadataValue | undefined> = {}): Metadata {
  const all: Record<string, MetadataValue | undefined> = {
    model: 'gpt2',
    pre: 'gpt-2',
    tokens: TOKENS,
    token_type: Int32Array.from(TYPES),
    merges: MERGES,
    eos_token_id: ID['<|endoftext|>'],
    bos_token_id: ID['<|start|>'],
    ...changes,
  }
  return new Map(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[`tokenizer.ggml.${key}`, value] as const],
    ),
  )
}

const BYTES = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`)
const PIECES = ['<unk>', '<s>', '</s>', ...BYTES, '▁', 'a', 'b', '▁a', 'ab', '▁ab', 'ba', '▁▁', 'x']
function sentencePieceMetadata(changes: Record<string, MetadataValue | undefined> = {}): Metadata {
  const all: Record<string, MetadataValue | undefined> = {
    model: 'llama',
    tokens: PIECES,
    scores: Float32Array.from(PIECES, (_, id) => -id),
    token_type: Int32Array.from(PIECES, (text, id) =>
      id === 0 ? 2 : id < 3 ? 3 : text.startsWith('<0x') ? 6 : 1,
    ),
    ...changes,
  }
  return new Map(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[`tokenizer.ggml.${key}`, value] as const],
    ),
  )
}
const piece = (text: string): number => PIECES.indexOf(text)

describe('byte pairs', () => {
  const tokenizer = tokenizerFromGguf(bytePairMetadata())

  it('merges by rank, and knows what a space is', () => {
    expect(tokenizer.encode('the the', PLAIN)).toEqual([ID['the'], ID['Ġthe']])
    expect(tokenizer.encode(' an', PLAIN)).toEqual([ID['Ġ'], ID['an']])
  })

  it('control tokens are found where asked for, user-defined ones always', () => {
    expect(tokenizer.encode('<|end|><tag>', PLAIN)).toEqual(
      [...'<|end|>'].map((c) => ID[c]).concat(ID['<tag>']),
    )
    expect(tokenizer.encode('the<|end|><tag>', MARKED)).toEqual([ID['the'], ID['<|end|>'], ID['<tag>']])
  })

  it('no control token spans a barrier, and plain text runs on across it', () => {
    const barred = (text: string, ...barriers: number[]): number[] =>
      tokenizer.encode(text, { ...MARKED, barriers })
    expect(barred('<|end|>', 1)).toEqual(tokenizer.encode('<|end|>', PLAIN))
    expect(barred('<|end|>', 0, 7)).toEqual([ID['<|end|>']])
    expect(barred('<|end|><|end|>', 3)).toEqual([...tokenizer.encode('<|end|>', PLAIN), ID['<|end|>']])
    expect(barred('the', 1)).toEqual([ID['the']])
    expect(barred('<tag>', 1)).toEqual([ID['<tag>']])
  })

  it('BOS and EOS are added where the vocabulary asks for it', () => {
    expect(tokenizer.encode('an', FULL)).toEqual([ID['an']])
    const full = tokenizerFromGguf(bytePairMetadata({ add_bos_token: true, add_eos_token: true }))
    expect(full.encode('an', FULL)).toEqual([ID['<|start|>'], ID['an'], ID['<|endoftext|>']])
    expect(full.encode('an', MARKED)).toEqual([ID['an']])
  })

  it('control tokens give no text unless asked for', () => {
    const ids = tokenizer.encode('the<|end|>the', MARKED)
    expect(tokenizer.decode(ids)).toBe('thethe')
    expect(tokenizer.decode(ids, { special: true })).toBe('the<|end|>the')
  })

  it('an id that is not in the vocabulary is INVALID_INPUT', () => {
    for (const id of [-1, TOKENS.length, 0.5, NaN]) {
      expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
      expect(() => new StreamDecoder(tokenizer.pieces()).push(id)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })
})

describe('SentencePiece', () => {
  const tokenizer = tokenizerFromGguf(sentencePieceMetadata())

  it('adds its prefix space, and takes it off again', () => {
    expect(tokenizer.encode('a', PLAIN)).toEqual([piece('▁a')])
    expect(tokenizer.decode([piece('▁a'), piece('▁a')])).toBe('a a')
    expect(tokenizer.encode('a', FULL)).toEqual([1, piece('▁a')])
    const bare = tokenizerFromGguf(sentencePieceMetadata({ add_space_prefix: false }))
    expect(bare.encode('a', PLAIN)).toEqual([piece('a')])
    expect(bare.decode([piece('▁a')])).toBe(' a')
  })

  it('merges the pair of the best score first, the leftmost among equals', () => {
    const without = { add_space_prefix: false }
    expect(tokenizerFromGguf(sentencePieceMetadata(without)).encode('aba', PLAIN)).toEqual([
      piece('ab'),
      piece('a'),
    ])
    const scores = Float32Array.from(PIECES, (text) => (text === 'ba' ? 1 : 0))
    expect(tokenizerFromGguf(sentencePieceMetadata({ ...without, scores })).encode('aba', PLAIN)).toEqual([
      piece('a'),
      piece('ba'),
    ])
    const equal = new Float32Array(PIECES.length)
    expect(
      tokenizerFromGguf(sentencePieceMetadata({ ...without, scores: equal })).encode('aba', PLAIN),
    ).toEqual([piece('ab'), piece('a')])
  })

  it('falls back to bytes, and to the unknown token where there are none', () => {
    expect(tokenizer.encode('aé', PLAIN)).toEqual([piece('▁a'), piece('<0xC3>'), piece('<0xA9>')])
    const tokens = ['<unk>', '<s>', '</s>', '▁', 'a']
    const small = tokenizerFromGguf(
      sentencePieceMetadata({
        tokens,
        scores: new Float32Array(5),
        token_type: Int32Array.of(2, 3, 3, 1, 1),
      }),
    )
    expect(small.encode('aé', PLAIN)).toEqual([3, 4, 0, 0])
  })
})

describe('tokens that end a generation', () => {
  const withTokens = (extra: string[], changes: Record<string, MetadataValue> = {}): Tokenizer =>
    tokenizerFromGguf(
      bytePairMetadata({
        tokens: [...TOKENS, ...extra],
        token_type: Int32Array.from([...TYPES, ...extra.map(() => 1)]),
        ...changes,
      }),
    )
  const ends = (tokenizer: Tokenizer): string[] => tokenizer.endTokens.map((id) => tokenizer.piece(id))

  it('are those that the header names and the well-known markers, whatever their type', () => {
    expect(ends(withTokens([]))).toEqual(['<|end|>', '<|endoftext|>']) // by id
    expect(ends(withTokens(['<|im_end|>', '<|eot_id|>', '<end_of_turn>']))).toEqual([
      '<|end|>',
      '<|endoftext|>',
      '<|im_end|>',
      '<|eot_id|>',
      '<end_of_turn>',
    ])
    expect(ends(withTokens(['stop'], { eot_token_id: TOKENS.length }))).toContain('stop')
  })

  it('a marker that was typed as text becomes a control token', () => {
    const tokenizer = withTokens(['<|im_end|>'])
    expect(tokenizer.encode('<|im_end|>', MARKED)).toEqual([TOKENS.length])
    expect(tokenizer.encode('<|im_end|>', PLAIN)).not.toContain(TOKENS.length)
    expect(tokenizer.decode([TOKENS.length])).toBe('')
  })

  it('<|end|> of vocabularies with channels closes a message only', () => {
    expect(ends(withTokens(['<|return|>', '<|call|>']))).not.toContain('<|end|>')
  })
})

describe('a vocabulary that does not hold together is refused, by key', () => {
  const refused = (metadata: Metadata, code: string, key: string): void =>
    expect(() => tokenizerFromGguf(metadata)).toThrow(
      expect.objectContaining({
        code,
        data: expect.objectContaining({ key: `tokenizer.ggml.${key}` }) as unknown,
      }),
    )

  it.each<[string, Record<string, MetadataValue | undefined>]>([
    ['tokens', { tokens: undefined }],
    ['tokens', { tokens: [] }],
    ['tokens', { tokens: Uint8Array.of(1) }],
    ['token_type', { token_type: Int32Array.from(TYPES.slice(1)) }],
    ['token_type', { token_type: ['1'] }],
    ['scores', { scores: new Float32Array(3) }],
    ['scores', { scores: new Float32Array(TOKENS.length).fill(NaN) }],
    ['merges', { merges: undefined }],
    ['bos_token_id', { bos_token_id: -7, add_bos_token: true }], // nothing can stand for it
    [
      'eos_token_id',
      { tokens: TOKENS.map((text) => (MARKERS.includes(text) ? `${text}!` : text)), eos_token_id: 1e9 },
    ], // no other end
    ['bos_token_id', { bos_token_id: 1.5 }],
    ['bos_token_id', { bos_token_id: 'a' }],
    ['add_bos_token', { add_bos_token: 1 }],
  ])('%s %#', (key, changes) => refused(bytePairMetadata(changes), 'MODEL_INVALID', key))

  it('byte tokens are strictly <0xHH>', () => {
    for (const bad of ['<0x4>', '<0xzz>', '<0x0a>', '0x41', '<0x041>']) {
      refused(sentencePieceMetadata({ tokens: PIECES.with(5, bad) }), 'MODEL_INVALID', 'tokens')
    }
  })

  it('an id that is no token is as one that is not given', () => {
    const outside = {
      bos_token_id: -7,
      eos_token_id: TOKENS.length,
      eot_token_id: 1e9,
      unknown_token_id: 2n ** 60n,
    }
    const tokenizer = tokenizerFromGguf(bytePairMetadata(outside))
    expect(tokenizer).toMatchObject({ bos: null, eos: null, addBos: false })
    expect(tokenizer.endTokens.map((id) => tokenizer.piece(id))).toContain('<|endoftext|>')
    const spm = tokenizerFromGguf(
      sentencePieceMetadata({ bos_token_id: 1e6, eos_token_id: -2, unknown_token_id: 1e6 }),
    )
    expect(spm).toMatchObject({ bos: 1, eos: 2, addBos: true })
  })

  it('defaults that a small vocabulary does not have are dropped', () => {
    const tokenizer = tokenizerFromGguf(
      sentencePieceMetadata({ tokens: ['a'], scores: new Float32Array(1), token_type: Int32Array.of(1) }),
    )
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos]).toEqual([null, null, false])
  })

  it('unknown models and pre-tokenizers are refused by name', () => {
    expect(() => tokenizerFromGguf(bytePairMetadata({ model: 'rwkv' }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED_TOKENIZER',
        message: expect.stringContaining('"rwkv"') as unknown,
      }),
    )
    expect(() => tokenizerFromGguf(bytePairMetadata({ pre: 'gpt-5' }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED_TOKENIZER',
        message: expect.stringContaining('"gpt-5"') as unknown,
      }),
    )
    expect(() => tokenizerFromGguf(bytePairMetadata(), { pre: 'constructor' })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_TOKENIZER' }),
    )
    refused(bytePairMetadata({ pre: 3 }), 'MODEL_INVALID', 'pre')
    refused(bytePairMetadata({ model: undefined }), 'UNSUPPORTED_TOKENIZER', 'model')
    refused(bytePairMetadata({ model: 'none' }), 'UNSUPPORTED_TOKENIZER', 'model')
  })
})

describe('merging never makes a control token of plain text', () => {
  it('of byte pairs: the characters stay', () => {
    const tokens = [...TOKENS, '<x', '<x>']
    const types = Int32Array.from([...TYPES, 1, 3])
    for (const pre of ['gpt-2', 'llama-bpe']) {
      const tokenizer = tokenizerFromGguf(
        bytePairMetadata({ tokens, token_type: types, merges: ['< x', '<x >'], pre }),
      )
      const ids = tokenizer.encode('<x>', PLAIN)
      expect(ids).not.toContain(tokens.length - 1)
      expect(tokenizer.decode(ids)).toBe('<x>')
      expect(tokenizer.encode('<x>', MARKED)).toEqual([tokens.length - 1])
    }
    // A word that is a token as a whole is not looked up if it is a marker.
    const word = tokenizerFromGguf(
      bytePairMetadata({
        tokens: [...TOKENS, 'stop'],
        token_type: Int32Array.from([...TYPES, 3]),
        pre: 'llama-bpe',
      }),
    )
    expect(word.encode('stop', PLAIN)).toEqual([...'stop'].map((c) => ID[c]))
  })

  it('of SentencePiece: the pieces stay', () => {
    const tokens = [...PIECES, '<', 's', '>', '<s']
    const tokenizer = tokenizerFromGguf(
      sentencePieceMetadata({
        tokens,
        scores: Float32Array.from(tokens, (_, id) => (id < 3 ? 0 : -id)),
        token_type: Int32Array.from(tokens, (text, id) =>
          id === 0 ? 2 : id < 3 ? 3 : text.startsWith('<0x') ? 6 : 1,
        ),
        add_space_prefix: false,
      }),
    )
    expect(tokenizer.encode('<s>', PLAIN)).toEqual([tokens.indexOf('<s'), tokens.indexOf('>')])
    expect(tokenizer.encode('<s>', MARKED)).toEqual([1])
  })
})

describe('the markers of a thought', () => {
  it.each(['<think>', '</think>', '[THINK]', '<|START_THINKING|>', '<seed:think>', '<|begin_of_thought|>'])(
    '%s is part of what a model says, though it is a control token',
    (marker) => {
      const tokenizer = tokenizerFromGguf(
        bytePairMetadata({ tokens: [...TOKENS, marker], token_type: Int32Array.from([...TYPES, 3]) }),
      )
      const id = TOKENS.length
      expect(tokenizer.decode([ID['the'] as number, id])).toBe(`the${marker}`)
      expect(new StreamDecoder(tokenizer.pieces()).push(id)).toBe(marker)
      // Typed by a person it is text all the same.
      expect(tokenizer.encode(marker, PLAIN)).not.toContain(id)
      expect(tokenizer.encode(marker, MARKED)).toEqual([id])
    },
  )
})

describe('a text that several tokens have', () => {
  const twin = TOKENS.length
  const withTwinOf = (text: string, kind: number): Tokenizer =>
    tokenizerFromGguf(
      bytePairMetadata({ tokens: [...TOKENS, text], token_type: Int32Array.from([...TYPES, kind]) }),
    )

  it('is encoded to the lowest id; both decode', () => {
    const tokenizer = withTwinOf('the', 1)
    expect(tokenizer.encode('the', PLAIN)).toEqual([ID['the']])
    expect(tokenizer.decode([ID['the'] as number, twin])).toBe('thethe')
    expect([tokenizer.piece(ID['the'] as number), tokenizer.piece(twin)]).toEqual(['the', 'the'])
  })

  it.each([
    ['a user-defined token', '<tag>', 4],
    ['a control token', '<|start|>', 3],
  ])('is that of the lowest id for %s too', (_, text, kind) => {
    expect(withTwinOf(text, kind).encode(text, MARKED)).toEqual([ID[text]])
  })

  it('ends a reply with either of its ids', () => {
    const tokenizer = withTwinOf('<|endoftext|>', 1)
    expect(tokenizer.endTokens).toContain(ID['<|endoftext|>'])
    expect(tokenizer.endTokens).toContain(twin)
    expect(tokenizer.decode([twin])).toBe('')
  })

  it('is found once by SentencePiece as well', () => {
    const tokens = [...PIECES, 'ab']
    const tokenizer = tokenizerFromGguf(
      sentencePieceMetadata({
        tokens,
        scores: Float32Array.from(tokens, (_, id) => -id),
        token_type: Int32Array.from(tokens, (text, id) =>
          id === 0 ? 2 : id < 3 ? 3 : text.startsWith('<0x') ? 6 : 1,
        ),
        add_space_prefix: false,
      }),
    )
    expect(tokenizer.encode('ab', PLAIN)).toEqual([PIECES.indexOf('ab')])
    expect(tokenizer.decode([PIECES.length])).toBe('ab')
  })
})

describe('a file that names no pre-tokenizer', () => {
  it.each([
    ['has none', undefined],
    ['has an empty one', ''],
  ])('and %s is read with the default one, and that is said', (_, pre) => {
    const metadata = bytePairMetadata({ pre })
    const tokenizer = tokenizerFromGguf(metadata)
    expect(tokenizer.pre).toBe('default')
    const text = "it's 12345 apples\n\n"
    expect(tokenizer.encode(text, PLAIN)).toEqual(
      tokenizerFromGguf(bytePairMetadata({ pre: 'default' })).encode(text, PLAIN),
    )
    expect(tokenizerNotes(metadata)).toEqual([expect.stringContaining('tokenizer.ggml.pre')])
  })

  it('is none of those that need none', () => {
    expect(tokenizerNotes(bytePairMetadata())).toEqual([])
    expect(tokenizerNotes(sentencePieceMetadata())).toEqual([])
  })
})

describe('the name Phi-3', () => {
  const tokens = [...PIECES, '<|end|>', '<|endoftext|>']
  const named = (name: string): number[] => {
    const metadata = new Map<string, MetadataValue>(
      sentencePieceMetadata({
        tokens,
        scores: Float32Array.from(tokens, (_, id) => -id),
        token_type: Int32Array.from(tokens, (text, id) =>
          id === 0 ? 2 : id < 3 || text.startsWith('<|') ? 3 : text.startsWith('<0x') ? 6 : 1,
        ),
      }),
    )
    metadata.set('general.name', name)
    return tokenizerFromGguf(metadata).encode('<|end|> \n a', MARKED)
  }

  it.each([
    'Phi-3 Mini 4k Instruct',
    'Phi 3 Mini 4k Instruct',
    'phi_3_mini',
    'PHI3',
    'microsoft_Phi-3.5-mini-instruct',
    'my  phi  3',
  ])('%s: markers take the white space behind them along', (name) => {
    expect(named(name)).toEqual([tokens.indexOf('<|end|>'), tokens.indexOf('▁a')])
  })

  it.each(['Phi-4 Mini', 'Llama 3', 'Phi-2', 'Delphi'])('%s: the white space is text', (name) => {
    expect(named(name).length).toBeGreaterThan(2)
  })
})

describe.skipIf(!golden)('a tilde is a symbol', () => {
  it.each(['deepseek-v3', 'hunyuan-dense', 'hy_v4', 'joyai-llm', 'afmoe', 'spark2_5'])(
    '%s keeps it with the punctuation behind it',
    async (pre) => {
      const { metadata } = await readGguf(`${golden}tokenizer/gpt-2.gguf`)
      const tokenizer = tokenizerFromGguf(metadata, { pre })
      const pieces = (text: string): string[] =>
        tokenizer.encode(text, PLAIN).map((id) => tokenizer.decode([id]))
      expect(tokenizer.encode("~'s", PLAIN)).toEqual([93, 6, 82])
      // Every symbol of ASCII goes the same way before a contraction.
      for (const symbol of '$+<=>^`|~') expect(pieces(`${symbol}'s`).at(-1), symbol).toBe('s')
      expect(pieces(' ~')).toEqual([' ~'])
    },
  )
})

describe('the stream decoder', () => {
  const tokenizer = tokenizerFromGguf(sentencePieceMetadata())
  const bytes = (...values: number[]): number[] => values.map((b) => piece(BYTES[b] as string))
  const stream = (ids: number[]): string[] => {
    const decoder = new StreamDecoder(tokenizer.pieces())
    return ids.map((id) => decoder.push(id))
  }

  it('holds a character back until its last byte is there', () => {
    expect(stream(bytes(0xf0, 0x9f, 0x99, 0x82))).toEqual(['', '', '', '🙂'])
  })

  it('leaves out a character whose last byte never came', () => {
    expect(stream([piece('a'), ...bytes(0xf0, 0x9f, 0x99)]).join('')).toBe('a')
    expect(stream(bytes(0xe2, 0x82)).join('')).toBe('')
  })

  it('shows bytes that are no UTF-8 as U+FFFD and loses nothing after them', () => {
    expect(stream([...bytes(0xff), piece('a')]).join('')).toBe('\ufffda')
    expect(stream([...bytes(0xc3), piece('a')]).join('')).toBe('\ufffda')
    expect(stream(bytes(0xef, 0xbb, 0xbf)).join('')).toBe('\ufeff')
  })

  it('takes the prefix space off the first text only, behind control tokens too', () => {
    expect(stream([1, piece('▁a'), piece('▁a')]).join('')).toBe('a a')
  })
})
