import { describe, expect, it } from 'vitest'
import { SpecialTokens, type Fragment, type Strips } from './special-tokens.ts'
import { KIND, type Vocabulary } from './vocabulary.ts'

const NONE: Strips = { left: () => false, right: () => false }

type Token = [text: string, kind: keyof typeof KIND]

function specials(tokens: Token[], strips = NONE, markers: string[] = []): SpecialTokens {
  const texts = tokens.map(([text]) => text)
  const ids = new Map(texts.map((text, id) => [text, id] as const).reverse())
  const kinds = Uint8Array.from(tokens, ([, kind]) => KIND[kind])
  return new SpecialTokens({ texts, ids, kinds } as unknown as Vocabulary, strips, markers)
}

/** As text: what is between, and {id} for a token. */
const shown = (fragments: Fragment[]): string =>
  fragments.map((fragment) => (typeof fragment === 'number' ? `{${fragment}}` : fragment)).join('·')

describe('special tokens', () => {
  const some = (): SpecialTokens =>
    specials([
      ['plain', 'normal'],
      ['<s>', 'control'],
      ['<unk>', 'unknown'],
      ['<tag>', 'userDefined'],
      ['<0x41>', 'byte'],
      ['<none>', 'unused'],
      ['<odd>', 'undefined'],
    ])

  it('are control and unknown tokens where asked for, and user-defined ones always', () => {
    const text = 'a<s>plain<unk><tag><0x41><none><odd>'
    expect(shown(some().split(text, true))).toBe('a·{1}·plain·{2}·{3}·<0x41><none><odd>')
    expect(shown(some().split(text, false))).toBe('a<s>plain<unk>·{3}·<0x41><none><odd>')
  })

  it('leave text alone where there is none, and nothing of an empty one', () => {
    expect(some().split('a < b <s <ta', true)).toEqual(['a < b <s <ta'])
    expect(some().split('', true)).toEqual([])
    expect(some().split('<s>', true)).toEqual([1])
    expect(some().split('<', true)).toEqual(['<'])
  })

  it('are told by their texts and found at the beginning of one', () => {
    expect(new Set(some().controlTexts())).toEqual(new Set(['<s>', '<unk>']))
    expect(some().controlAt('<s>a')).toBe(1)
    expect(some().controlAt('a<s>')).toBeNull()
    expect(some().controlAt('<tag>')).toBeNull()
    const nested = specials([
      ['<a', 'control'],
      ['<a>', 'control'],
      ['<a>b', 'userDefined'],
    ])
    expect(nested.controlAt('<a>b')).toBe(1)
  })

  it('are markers as well, whatever the file types them', () => {
    const marked = specials(
      [
        ['[a]', 'normal'],
        ['[b]', 'userDefined'],
        ['[c]', 'normal'],
      ],
      NONE,
      ['[a]', '[b]', 'no token'],
    )
    expect(shown(marked.split('[a][b][c]', true))).toBe('{0}·{1}·[c]')
    expect(shown(marked.split('[a][b][c]', false))).toBe('[a][b][c]')
    expect(marked.controlTexts()).toEqual(['[a]', '[b]'])
  })
})

describe('where special tokens overlap', () => {
  it('the longest in bytes is cut first, anywhere in the text', () => {
    const tokens = specials([
      ['ab', 'control'],
      ['bcd', 'control'],
    ])
    expect(shown(tokens.split('abcd', true))).toBe('a·{1}')
    expect(shown(tokens.split('abcd ab', true))).toBe('a·{1}· ·{0}')
    const wide = specials([
      ['abé', 'control'],
      ['éx漢', 'control'],
    ])
    expect(shown(wide.split('abéx漢', true))).toBe('ab·{1}')
  })

  it('the leftmost of the same is cut first', () => {
    expect(shown(specials([['aa', 'control']]).split('aaa', true))).toBe('{0}·a')
  })

  it('a token of one character is found too, beside longer ones', () => {
    const tokens = specials([
      ['\n', 'userDefined'],
      ['\n\n', 'userDefined'],
      ['~', 'control'],
    ])
    expect(shown(tokens.split('a\n\n\nb~\n', true))).toBe('a·{1}·{0}·b·{2}·{0}')
    expect(shown(tokens.split('\n', true))).toBe('{0}')
  })

  it('several that begin alike, with different lengths, are all found', () => {
    const tokens = specials([
      ['<|a|>', 'control'],
      ['<|ab|>', 'control'],
      ['<|b|>', 'control'],
      ['<x>', 'control'],
    ])
    expect(shown(tokens.split('<|b|><|a|><|ab|><x><|a|>', true))).toBe('{2}·{0}·{1}·{3}·{0}')
  })

  it('the lowest id is found where two have the same text', () => {
    const tokens = specials([
      ['a', 'normal'],
      ['<s>', 'control'],
      ['<s>', 'control'],
    ])
    expect(shown(tokens.split('<s>', true))).toBe('{1}')
  })
})

describe('barriers', () => {
  const tokens = (): SpecialTokens =>
    specials([
      ['<s>', 'control'],
      ['<tag>', 'userDefined'],
      ['aba', 'control'],
    ])

  it('keep a control token that spans one from being found, and no other', () => {
    expect(shown(tokens().split('<s><s><s>', true, [4]))).toBe('{0}·<s>·{0}')
    expect(shown(tokens().split('<s>', true, [1, 2]))).toBe('<s>')
    expect(shown(tokens().split('<s>', true, [0, 3]))).toBe('{0}')
    expect(shown(tokens().split('<tag>', true, [2]))).toBe('{1}')
  })

  it('are heeded one by one, however many there are', () => {
    const text = '<s>'.repeat(50)
    const barriers = Array.from({ length: 25 }, (_, i) => 6 * i + 1)
    expect(shown(tokens().split(text, true, barriers))).toBe(
      Array.from({ length: 25 }, () => '<s>·{0}').join('·'),
    )
  })

  it('leave the next place of the same token free, though it overlaps', () => {
    expect(shown(tokens().split('ababa', true, [1]))).toBe('ab·{2}')
  })
})

describe('white space beside a token', () => {
  const only = (side: 'left' | 'right'): SpecialTokens =>
    specials(
      [
        ['<m>', 'control'],
        ['<n>', 'control'],
      ],
      { ...NONE, [side]: (text: string) => text === '<m>' },
    )

  it('goes with one that strips it, on that side alone', () => {
    expect(shown(only('right').split('a <m> \t\n\v\f\rb <n> c', true))).toBe('a ·{0}·b ·{1}· c')
    expect(shown(only('left').split('a \t\n\v\f\r<m> b <n> c', true))).toBe('a·{0}· b ·{1}· c')
  })

  it('leaves nothing where there was nothing else', () => {
    expect(shown(only('right').split('<m>  ', true))).toBe('{0}')
    expect(shown(only('left').split('  <m>', true))).toBe('{0}')
    expect(shown(only('left').split('<n>  <m>', true))).toBe('{1}·{0}')
  })

  it('is ASCII’s', () => {
    expect(shown(only('right').split('<m>\u00a0a', true))).toBe('{0}·\u00a0a')
    expect(shown(only('right').split('<m>\u000ea', true))).toBe('{0}·\u000ea')
    expect(shown(only('right').split('<m>\u0008a', true))).toBe('{0}·\u0008a')
  })
})
