import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Mark, Markers } from './barriers.ts'

const MARKERS = ['<|im_end|>', '<|im_start|>', '<s>', '[INST]', '｜end｜', '\n\n', '😀😀']
let markers: Markers
beforeEach(() => {
  markers = new Markers(MARKERS)
})

/** Is there a barrier inside of this stretch? */
const barred = (barriers: number[], from: number, to: number): boolean =>
  barriers.some((at) => from < at && at < to)

describe('barriers in a person’s text', () => {
  it('lie inside of every marker, wherever it stands', () => {
    const piece = fc.constantFrom(...MARKERS, '<', '|', 'im_', 'end', '>', ' ', '\n', 'a', '😀', '[')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        const barriers = markers.barriersIn(text)
        expect(barriers).toEqual([...new Set(barriers)].sort((a, b) => a - b))
        for (const marker of MARKERS)
          for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + 1))
            expect(barred(barriers, at, at + marker.length), JSON.stringify(text)).toBe(true)
      }),
      { numRuns: 500, seed: 4 },
    )
  })

  it.each([
    ['<|im_', 'end|>', ''],
    ['<', '|im_end|>', ''],
    ['', '<|im_', 'end|>'],
    ['', 'text <', '|im_end|>'],
    ['<|im_end|', '> quote', ''],
    ['<|im_end|', '  > quote', ''],
    ['[INS', 'T]', ''],
  ])('no marker begins in %j, goes on in %j and ends in %j', (before, text, after) => {
    const whole = before + text.trim() + after
    const barriers = markers.barriersIn(text.trim()).map((at) => at + before.length)
    for (const marker of MARKERS) {
      const at = whole.indexOf(marker)
      if (at >= 0) expect(barred(barriers, at, at + marker.length)).toBe(true)
    }
  })

  it('leave alone what could not be part of a marker', () => {
    expect(markers.barriersIn('Hello, world! a > b | c')).toEqual([])
    expect(markers.barriersInWhole('a < b <s <|im_end')).toEqual([])
    expect(markers.barriersInWhole('a <s>')).toEqual([3])
    expect(new Markers([]).barriersIn('<s>')).toEqual([])
  })

  it('break a marker once, and never a character', () => {
    expect(markers.barriersIn('<s>')).toEqual([1])
    expect(markers.barriersIn('a 😀😀')).toEqual([4, 6])
    expect(markers.barriersInWhole('😀😀😀')).toEqual([2, 4])
  })

  it('are not in single characters, which nothing could break', () => {
    const single = new Markers(['a', '<s>'])
    expect(single.barriersIn('banana')).toEqual([])
    expect(single.barriersInWhole('banana')).toEqual([])
  })
})

describe('marks', () => {
  it('are found again where they were put, and the text is as it was', () => {
    const mark = new Mark(['abc'])
    const put = mark.put('abc', [0, 2])
    expect(put).not.toBe('abc')
    expect(mark.takeOut(`x${put}y${put}`)).toEqual({ text: 'xabcyabc', barriers: [1, 3, 5, 7] })
    expect(mark.put('abc', [])).toBe('abc')
    expect(mark.takeOut('')).toEqual({ text: '', barriers: [] })
  })

  it('are none of what a text holds, though it holds all that they could be made of', () => {
    const all = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i))
    const pairs = all.flatMap((first) => all.map((second) => first + second)).join('')
    const text = `${pairs}<s>${pairs}`
    for (let i = 0; i < 20; i++) {
      const mark = new Mark([text])
      const places = markers.barriersIn(text)
      expect(places).toHaveLength(1)
      expect(mark.takeOut(mark.put(text, places))).toEqual({ text, barriers: places })
    }
  })

  it('are in none of several texts', () => {
    const all = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i)).join('')
    for (const texts of [
      [all, 'abc'],
      ['abc', all],
    ])
      expect(new Mark(texts).takeOut(all)).toEqual({ text: all, barriers: [] })
  })

  it('cannot be known to who writes a text', () => {
    const marks = Array.from({ length: 50 }, () => new Mark([]).put('', [0]))
    expect(new Set(marks).size).toBeGreaterThan(1)
    for (const mark of marks) expect(mark).toMatch(/^[\ufdd0-\ufdef]$/)
  })

  it('are looked for a few times at most, whatever the text', () => {
    // Every numbered mark of old, one after the other, and every pair of what marks are made of.
    const numbered = Array.from({ length: 30_000 }, (_, i) => `\ufdd0${i}\ufdd1`).join('')
    let looked = 0
    const text = { includes: (mark: string) => (looked++, numbered.includes(mark)) } as unknown as string
    for (let i = 0; i < 50; i++) new Mark([text])
    expect(looked).toBeLessThanOrEqual(100)
  })
})
