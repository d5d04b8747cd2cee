import { expect, test } from 'vitest'
import { architecturesFor } from './cuda.mjs'

test.each([
  [['9.0'], '90'],
  [['8.9', '8.9', '9.0', ''], '89,90'],
  [['7.5'], '75'],
  [['8.7'], '86'],
  [['10.3'], '100'],
  [['12.1'], '120'],
  [['11.0'], '100+ptx'],
  [['13.0'], '120+ptx'],
  [['6.1'], null],
  [['6.1', '8.0'], '80'],
  [['[N/A]', ''], null],
])('compute capabilities %j are compiled for as %j', (capabilities, architectures) => {
  expect(architecturesFor(capabilities)).toBe(architectures)
})
