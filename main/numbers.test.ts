import { expect, it } from 'vitest'
import { formatBytes, grouped } from './numbers.ts'

it.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [1023, '1023 bytes'],
  [20 * 1024, '20 KiB'],
  [312 * 2 ** 20, '312 MiB'],
  [2 ** 30, '1.00 GiB'],
  [11.71 * 2 ** 30, '11.71 GiB'],
])('%d bytes read as %s', (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected)
})

it('digits are read in groups', () => {
  expect(grouped(131_072)).toBe('131,072')
  expect(grouped(999.6)).toBe('1,000')
})
