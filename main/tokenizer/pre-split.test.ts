import { describe, expect, it } from 'vitest'
import { matches, splitByRules, type Rule } from './pre-split.ts'
import { classTable } from './unicode.ts'

/** The pieces that these rules cut a text into. */
function pieces(text: string, ...rules: Rule[]): string[] {
  const ends = splitByRules(text, rules)
  return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end))
}

const text = (pattern: RegExp): Rule => matches('text', pattern)
const classes = (pattern: RegExp): Rule => matches('classes', pattern)

describe('a text', () => {
  it('is one piece without rules, and none where it is empty', () => {
    expect(pieces('abc')).toEqual(['abc'])
    expect(pieces('', text(/b/g))).toEqual([])
  })

  it('is cut at both ends of whatever a rule matches', () => {
    expect(pieces('abcbb', text(/b+/g))).toEqual(['a', 'b', 'c', 'bb'])
    expect(pieces('bab', text(/b/g))).toEqual(['b', 'a', 'b'])
    expect(pieces('abba', text(/b/g))).toEqual(['a', 'b', 'b', 'a'])
    expect(pieces('aaa', text(/b/g))).toEqual(['aaa'])
  })

  it('is cut again by the next rule, within the pieces that the last one left', () => {
    expect(pieces('abcabc', text(/c/g), text(/b$/g))).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
    expect(pieces('abab', text(/^ab/g), text(/ba/g))).toEqual(['ab', 'ab'])
    expect(pieces('ab1ab', classes(/1/g), text(/^b|a/g))).toEqual(['a', 'b', '1', 'a', 'b'])
  })

  it('is cut by the same rule anew each time', () => {
    const rule = text(/b/g)
    for (let i = 0; i < 3; i++) expect(pieces('abab', rule)).toEqual(['a', 'b', 'a', 'b'])
    rule.cut('bbb')
    expect(rule.cut('b')).toEqual([0, 1])
  })
})

describe('a rule over classes', () => {
  it('sees ASCII as it is, and one character for each code point', () => {
    const seen: string[] = []
    const look = (view: Rule['view']): Rule => ({
      view,
      cut: (piece) => {
        seen.push(piece)
        return []
      },
    })
    expect(pieces('aé😀 1', look('classes'), look('text'))).toEqual(['aé😀 1'])
    const classOf = classTable()
    const classed = ['a', 'é', '😀', ' ', '1'].map((c) => classOf[c.codePointAt(0) as number] as number)
    expect(seen).toEqual([String.fromCharCode(...classed), 'aé😀 1'])
    expect([classed[0], classed[3], classed[4]]).toEqual([0x61, 0x20, 0x31])
  })

  it('cuts at the same characters, whether there are surrogate pairs or not', () => {
    const letters = classes(/[a-z]/g)
    expect(pieces('1a2', letters)).toEqual(['1', 'a', '2'])
    expect(pieces('😀a😀', letters)).toEqual(['😀', 'a', '😀'])
    expect(pieces('a😀😀b1', letters, classes(/1/g))).toEqual(['a', '😀😀', 'b', '1'])
    expect(pieces('1😀', classes(/1/g))).toEqual(['1', '😀'])
  })

  it('sees one piece at a time', () => {
    expect(pieces('ab1ab', classes(/1/g), classes(/b$/g))).toEqual(['a', 'b', '1', 'a', 'b'])
    expect(pieces('😀1ab1ab', classes(/1/g), classes(/b$/g))).toEqual([
      ...['😀', '1', 'a', 'b', '1', 'a', 'b'],
    ])
  })

  it('never cuts a pair in two, and takes a lone half for a character', () => {
    const every: Rule = { view: 'classes', cut: (piece) => Array.from(piece, (_, i) => i) }
    expect(pieces('😀a😀😀', every)).toEqual(['😀', 'a', '😀', '😀'])
    expect(pieces('\ud83da', every)).toEqual(['\ud83d', 'a'])
    expect(pieces('a\ude00b', every)).toEqual(['a', '\ude00', 'b'])
    expect(pieces('😀\uffffa', every)).toEqual(['😀', '\uffff', 'a'])
  })

  it('may be given classes of its own', () => {
    const classOf = classTable().slice()
    classOf['b'.charCodeAt(0)] = 0x31
    expect(splitByRules('abc', [classes(/1/g)], classOf)).toEqual([1, 2, 3])
  })
})

describe('a rule over text', () => {
  it.each([
    ...['\x85', '\xa0', '\u1680', '\u2000', '\u200a', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000'],
  ])('sees white space beyond ASCII as a vertical tab: %j', (space) => {
    expect(pieces(`a${space}${space}漢`, text(/\v/g))).toEqual(['a', space, space, '漢'])
    expect(pieces(`a${space}b`, text(/[^\v]+/g))).toEqual(['a', space, 'b'])
  })

  it('sees everything else as it is', () => {
    expect(pieces('a\u200b漢\ufeff ', text(/\v/g))).toEqual(['a\u200b漢\ufeff '])
    expect(pieces('a漢字b', text(/[\u4e00-\u9fff]+/g))).toEqual(['a', '漢字', 'b'])
  })
})

it('cuts that would leave an empty piece, stand twice, or lie outside count for nothing', () => {
  const cut =
    (...at: number[]): Rule['cut'] =>
    () =>
      at
  for (const view of ['text', 'classes'] as const) {
    expect(pieces('abc', { view, cut: cut(0, 1, 1, 3) })).toEqual(['a', 'bc'])
    expect(pieces('abc', { view, cut: cut() })).toEqual(['abc'])
  }
})
