import { expect, test } from 'vitest'
import { pieces } from './poem.ts'

test('the minute is found with a hyphen or a space, in any case', () => {
  expect(pieces('Thirty seven bells', 'thirty-seven')).toEqual([
    { text: 'Thirty seven', word: true },
    { text: ' bells', word: false },
  ])
  expect(pieces('at thirty-seven, frost', 'thirty-seven')[1]).toEqual({ text: 'thirty-seven', word: true })
})

test('a word inside a longer one is not the minute', () => {
  expect(pieces('stone by stone', 'one')).toEqual([{ text: 'stone by stone', word: false }])
  expect(pieces('twenty-one geese', 'one')).toEqual([{ text: 'twenty-one geese', word: false }])
})
