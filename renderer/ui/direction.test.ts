import { describe, expect, it } from 'vitest'
import { directionOf } from './direction.ts'

/** Every letter of the planes that hold scripts in use. */
function lettersOf(script: string): string[] {
  const wanted = new RegExp(`\\p{Script=${script}}`, 'u')
  const points = [...Array(0x20000).keys()].filter((point) => point < 0xd800 || point > 0xdfff)
  return points
    .map((point) => String.fromCodePoint(point))
    .filter((letter) => /\p{L}/u.test(letter) && wanted.test(letter))
}

describe('the direction of what is written', () => {
  it.each([
    'Hebrew',
    'Arabic',
    'Syriac',
    'Thaana',
    'Nko',
    'Samaritan',
    'Mandaic',
    'Cypriot',
    'Hanifi_Rohingya',
  ])('is found in the text with a letter of %s anywhere', (script) => {
    const letters = lettersOf(script)
    expect(letters.length).toBeGreaterThan(10)
    expect(letters.filter((letter) => directionOf(`left to ${letter} right`) !== 'auto')).toEqual([])
  })

  it.each(['Adlam', 'Mende_Kikakui'])('is found with a letter of %s, beyond the first plane', (script) => {
    expect(lettersOf(script).every((letter) => directionOf(letter) === 'auto')).toBe(true)
  })

  it.each(['Latin', 'Greek', 'Cyrillic', 'Devanagari', 'Thai', 'Hangul', 'Hiragana', 'Han', 'Ethiopic'])(
    'is left to right in %s',
    (script) => expect(directionOf(lettersOf(script).join(''))).toBe('ltr'),
  )

  it('is found with a mark that turns a run, and not with emoji or nothing', () => {
    expect(directionOf('a\u202eb')).toBe('auto')
    expect(directionOf('🏮 🧑‍🚀 🇯🇵 “ – ”')).toBe('ltr')
    expect(directionOf('')).toBe('ltr')
  })
})
