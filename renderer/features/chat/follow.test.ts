import { expect, test } from 'vitest'
import { followsAfterScroll, NEAR_END } from './follow.ts'

test('scrolling up past 32 px lets go, within them it holds', () => {
  expect(followsAfterScroll(true, { top: 500, below: 0 }, { top: 400, below: 100 }, true)).toBe(false)
  expect(followsAfterScroll(true, { top: 500, below: 0 }, { top: 480, below: 20 }, true)).toBe(true)
})

test('coming back down takes hold only near the end', () => {
  expect(followsAfterScroll(false, { top: 100, below: 500 }, { top: 300, below: 300 }, true)).toBe(false)
  expect(followsAfterScroll(false, { top: 100, below: 500 }, { top: 570, below: NEAR_END }, true)).toBe(true)
})

test('what was let go stays so while the text grows or is nudged up', () => {
  expect(followsAfterScroll(false, { top: 500, below: 4 }, { top: 500, below: 90 }, true)).toBe(false)
  expect(followsAfterScroll(false, { top: 500, below: 4 }, { top: 498, below: 6 }, true)).toBe(false)
})

test('growth below does not let go of what follows', () => {
  expect(followsAfterScroll(true, { top: 500, below: 0 }, { top: 500, below: 300 }, true)).toBe(true)
  expect(followsAfterScroll(true, { top: 500, below: 300 }, { top: 800, below: 0 }, true)).toBe(true)
})

test('what the list does by itself changes nothing', () => {
  expect(followsAfterScroll(true, { top: 500, below: 0 }, { top: 300, below: 200 }, false)).toBe(true)
  expect(followsAfterScroll(false, { top: 100, below: 500 }, { top: 600, below: 0 }, false)).toBe(false)
})
