import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StopMatcher } from './stop.ts'

/** What is shown of `pieces`, and whether it was stopped. */
function run(stops: string[], pieces: string[]) {
  const matcher = new StopMatcher(stops)
  const shown: string[] = []
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece)
    shown.push(text)
    if (stopped) return { shown, stopped: true }
  }
  shown.push(matcher.flush())
  return { shown, stopped: false }
}

// A small alphabet makes overlaps and repeats common.
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), maxLength: 24 })
const stops = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), minLength: 1, maxLength: 4 }),
  { maxLength: 3 },
)
const pieces = fc.array(text, { maxLength: 8 })

describe('StopMatcher', () => {
  it('shows everything where no stop sequence occurs', () => {
    fc.assert(
      fc.property(stops, pieces, (stops, pieces) => {
        const all = pieces.join('')
        fc.pre(!stops.some((stop) => all.includes(stop)))
        const result = run(stops, pieces)
        expect(result).toMatchObject({ stopped: false })
        expect(result.shown.join('')).toBe(all)
      }),
    )
  })

  it('stops exactly where a letter-by-letter reading would, however the text is cut', () => {
    fc.assert(
      fc.property(stops, pieces, (stops, pieces) => {
        const whole = run(stops, pieces)
        const letters = run(stops, [...pieces.join('')])
        expect(whole.stopped).toBe(letters.stopped)
        expect(whole.shown.join('')).toBe(letters.shown.join(''))
      }),
    )
  })

  it('never shows any part of a stop sequence that is found', () => {
    fc.assert(
      fc.property(text, fc.constantFrom('ab', 'aab', 'bab', '😀é'), pieces, (before, stop, cuts) => {
        fc.pre(before.indexOf(stop) < 0)
        const all = before + stop
        const sizes = cuts.map((cut) => cut.length + 1)
        const parts: string[] = []
        for (let at = 0, i = 0; at < all.length; i++) {
          const size = sizes[i] ?? all.length
          parts.push(all.slice(at, at + size))
          at += size
        }
        const result = run([stop], parts)
        expect(result.stopped).toBe(true)
        expect(result.shown.join('')).toBe(all.slice(0, all.indexOf(stop)))
      }),
    )
  })

  it('holds back no more than what could begin a stop sequence', () => {
    const matcher = new StopMatcher(['\n\nUser:'])
    expect(matcher.push('Hello\n').text).toBe('Hello')
    expect(matcher.push('world').text).toBe('\nworld')
    expect(matcher.push('\n\nUse').text).toBe('')
    expect(matcher.push('ful').text).toBe('\n\nUseful')
  })

  it('takes the sequence that is complete first, and of two complete together the longer, in any order', () => {
    for (const stops of [
      ['abcd', 'bc'],
      ['bc', 'abcd'],
    ])
      expect(run(stops, ['abcd'])).toEqual({ shown: ['a'], stopped: true })
    for (const stops of [
      ['bc', 'abc'],
      ['abc', 'bc'],
    ])
      expect(run(stops, ['xabc'])).toEqual({ shown: ['x'], stopped: true })
    expect(run(['d', 'ab'], ['xabcd'])).toEqual({ shown: ['x'], stopped: true })
  })

  it('ignores an empty sequence, alone and beside others', () => {
    expect(run([''], ['abc'])).toEqual({ shown: ['abc', ''], stopped: false })
    expect(run(['', 'c'], ['abc'])).toEqual({ shown: ['ab'], stopped: true })
  })

  it('owes what it held back once, and nothing after a stop', () => {
    const matcher = new StopMatcher(['stop'])
    expect(matcher.push('a st')).toEqual({ text: 'a ', stopped: false })
    expect(matcher.flush()).toBe('st')
    expect(matcher.flush()).toBe('')
    expect(matcher.push('sto')).toEqual({ text: '', stopped: false })
    expect(matcher.push('p.')).toEqual({ text: '', stopped: true })
    expect(matcher.flush()).toBe('')
    expect(new StopMatcher(['stop']).flush()).toBe('')
  })
})
