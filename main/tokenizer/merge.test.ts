import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeSymbols } from './merge.ts'

/** Merges the characters of a text by a list of merges, the first of which comes first; the symbols that are left. */
function merged(text: string, merges: readonly (string | readonly string[])[]): string[] {
  const ranks = new Map(merges.flatMap((same, rank) => [same].flat().map((merge) => [merge, rank] as const)))
  const starts = Array.from({ length: text.length + 1 }, (_, i) => i)
  const bounds = mergeSymbols(starts, (from, middle, to) => {
    expect(from < middle && middle < to).toBe(true)
    return ranks.get(`${text.slice(from, middle)} ${text.slice(middle, to)}`) ?? Infinity
  })
  expect(bounds[0]).toBe(0)
  expect(bounds.at(-1)).toBe(text.length)
  return bounds.slice(1).map((to, i) => text.slice(bounds[i], to))
}

/** The same as its definition says it: look at all pairs, merge the first of the best, begin again. */
function mergedSlowly(text: string, rankOf: (left: string, right: string) => number): string[] {
  const symbols = [...text]
  for (;;) {
    const ranks = symbols.slice(1).map((right, i) => rankOf(symbols[i] as string, right))
    const best = Math.min(Infinity, ...ranks)
    if (best === Infinity) return symbols
    const at = ranks.indexOf(best)
    symbols.splice(at, 2, `${symbols[at]}${symbols[at + 1]}`)
  }
}

describe('merging', () => {
  it('takes the best pair first, wherever it stands', () => {
    expect(merged('abc', ['b c', 'a b'])).toEqual(['a', 'bc'])
    expect(merged('abc', ['a b', 'b c'])).toEqual(['ab', 'c'])
    expect(merged('abcd', ['c d', 'b cd', 'a b'])).toEqual(['a', 'bcd'])
  })

  it('takes the leftmost of equal pairs', () => {
    expect(merged('aaa', ['a a'])).toEqual(['aa', 'a'])
    expect(merged('aaaaa', ['a a'])).toEqual(['aa', 'aa', 'a'])
    expect(merged('abab', [['b a', 'a b']])).toEqual(['ab', 'ab'])
  })

  it('goes on with what a merge has made, on either side', () => {
    expect(merged('abcd', ['b c', 'a bc', 'abc d'])).toEqual(['abcd'])
    expect(merged('aaaa', ['a a', 'aa aa'])).toEqual(['aaaa'])
  })

  it('leaves alone what does not merge, and a text of one symbol or none', () => {
    expect(merged('abc', [])).toEqual(['a', 'b', 'c'])
    expect(merged('a', ['a a'])).toEqual(['a'])
    expect(mergeSymbols([0], () => 0)).toEqual([0])
  })

  it('asks for the places of a pair, not for its symbols', () => {
    const asked: number[][] = []
    mergeSymbols([3, 5, 6, 9], (...pair) => {
      asked.push(pair)
      return Infinity
    })
    expect(asked).toEqual([
      [3, 5, 6],
      [5, 6, 9],
    ])
  })

  it('of a long text after a short one and before another is the same as by itself', () => {
    for (const length of [3, 63, 64, 65, 500, 1000, 7]) {
      const symbols = merged('a'.repeat(length), ['a a', 'aa aa'])
      expect(symbols.slice(0, length >> 2)).toEqual(Array.from({ length: length >> 2 }, () => 'aaaa'))
      expect(symbols.join('')).toHaveLength(length)
    }
  })

  it('is what its definition says, whatever the ranks', () => {
    // A rank for every pair, many of them equal, some none: from a hash of the two.
    const rankOf =
      (seed: number) =>
      (left: string, right: string): number => {
        let hash = seed
        for (const unit of `${left} ${right}`) hash = (hash * 31 + unit.charCodeAt(0)) % 1009
        return hash % 4 === 0 || left.length + right.length > 6 ? Infinity : hash % 50
      }
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 40 }).map((units) => units.join(''))
    fc.assert(
      fc.property(text, fc.nat(1008), (units, seed) => {
        const starts = Array.from({ length: units.length + 1 }, (_, i) => i)
        const rank = rankOf(seed)
        const bounds = mergeSymbols(starts, (from, middle, to) =>
          rank(units.slice(from, middle), units.slice(middle, to)),
        )
        expect(bounds.slice(1).map((to, i) => units.slice(bounds[i], to))).toEqual(mergedSlowly(units, rank))
      }),
      { numRuns: 500, seed: 6 },
    )
  })
})
