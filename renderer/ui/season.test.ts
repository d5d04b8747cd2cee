import { expect, test } from 'vitest'
import { HALF_MONTHS, seasonLine, seasonOf } from './season.ts'

const on = (month: number, day: number) => new Date(2026, month - 1, day, 12)

test('the seasons turn on the days of the almanac', () => {
  expect([on(2, 3), on(2, 4), on(5, 4), on(5, 5)].map((d) => seasonOf(d, 'north'))).toEqual([
    'winter',
    'spring',
    'spring',
    'summer',
  ])
  expect([on(8, 6), on(8, 7), on(11, 6), on(11, 7)].map((d) => seasonOf(d, 'north'))).toEqual([
    'summer',
    'autumn',
    'autumn',
    'winter',
  ])
  expect([on(1, 1), on(12, 31)].map((d) => seasonOf(d, 'north'))).toEqual(['winter', 'winter'])
})

test('the south swaps halves', () => {
  expect(seasonOf(on(11, 23), 'south')).toBe('summer')
  expect(seasonOf(on(4, 1), 'south')).toBe('autumn')
})

test('every half-month has a line of its own', () => {
  expect(new Set(HALF_MONTHS).size).toBe(24)
  expect(seasonLine(on(11, 23), 'north')).toBe('Late November, the evenings draw in.')
  expect(seasonLine(on(11, 15), 'north')).toBe('Early November, the first cold rain.')
  expect(seasonLine(on(5, 23), 'south')).toBe('Late May, the evenings draw in.')
})
