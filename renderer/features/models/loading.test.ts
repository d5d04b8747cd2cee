import { expect, test } from 'vitest'
import type { ModelState } from '../../../contract/model.ts'
import { paceOf, secondsLeft } from './loading.ts'

const at = (doneBytes: number, path = '/m.gguf'): ModelState => ({
  status: 'loading',
  path,
  name: 'M',
  doneBytes,
  totalBytes: 1000,
})

test('the pace is told once it has settled', () => {
  const first = paceOf(null, at(100), 5000)
  expect(first?.perSecond).toBeNull()
  expect(paceOf(first, at(200), 5200)?.perSecond).toBeNull()
  expect(paceOf(first, at(600), 6000)?.perSecond).toBe(500)
})

test('another load begins anew, and what is over has no pace', () => {
  const first = paceOf(null, at(900), 0)
  expect(paceOf(first, at(10), 900)).toEqual({ path: '/m.gguf', since: 900, from: 10, perSecond: null })
  expect(paceOf(first, at(950, '/other.gguf'), 900)?.perSecond).toBeNull()
  expect(paceOf(first, { status: 'none', lastPath: null, lastName: null }, 900)).toBeNull()
})

test('the time in which no byte of the weights came does not count', () => {
  const header = paceOf(null, at(0), 0)
  expect(header).toBeNull()
  const first = paceOf(paceOf(header, at(0), 8000), at(100), 9000)
  expect(first?.perSecond).toBeNull()
  expect(paceOf(first, at(600), 10_000)?.perSecond).toBe(500)
})

test('what is left is said in whole seconds, and is never none', () => {
  expect(secondsLeft({ doneBytes: 600, totalBytes: 1000 }, 150)).toBe('3 s')
  expect(secondsLeft({ doneBytes: 1000, totalBytes: 1000 }, 150)).toBe('1 s')
})
