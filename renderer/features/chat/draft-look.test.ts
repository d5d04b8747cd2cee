import { expect, test } from 'vitest'
import { lookOf } from './draft-look.ts'

test('a draft has something to send, a direction, and fills the composer or not', () => {
  expect(lookOf('')).toEqual({ dir: 'ltr', filled: false, long: false })
  expect(lookOf(' \n\t\u00a0\u3000')).toEqual({ dir: 'ltr', filled: false, long: false })
  expect(lookOf('a')).toEqual({ dir: 'ltr', filled: true, long: false })
  expect(lookOf('שלום')).toEqual({ dir: 'auto', filled: true, long: false })
  expect(lookOf('a\n'.repeat(8))).toMatchObject({ long: false })
  expect(lookOf('a\n'.repeat(9))).toMatchObject({ long: true })
  expect(lookOf('a'.repeat(20_000))).toMatchObject({ long: false })
  expect(lookOf('a'.repeat(20_001))).toMatchObject({ long: true })
})

test('a key that changes nothing but the words gives the very same look', () => {
  const look = lookOf('some words')
  expect(lookOf('some words.')).toBe(look)
  expect(lookOf('')).not.toBe(look)
})
