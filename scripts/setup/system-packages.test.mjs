import { expect, test } from 'vitest'
import { isRenamed } from './system-packages.mjs'

test.each([
  ['2.35', false, 'Ubuntu 22.04, Mint 21'],
  ['2.36', false, 'Debian 12, LMDE 6'],
  ['2.39', true, 'Ubuntu 24.04, Mint 22'],
  ['2.41', true, 'Debian 13, LMDE 7'],
  [undefined, false, 'another C library'],
])('with glibc %s packages are renamed for 64-bit time: %s (%s)', (glibc, renamed) => {
  expect(isRenamed(glibc)).toBe(renamed)
})
