import { expect, test } from 'vitest'
import {
  bytes,
  bytesOf,
  count,
  day,
  parameters,
  pathParts,
  percent,
  plural,
  rate,
  seconds,
} from './format.ts'

test('memory and files are in binary units, never rounded up past the next one', () => {
  expect(bytes(98_362_432)).toBe('94 MiB')
  expect(bytes(5_027_783_872)).toBe('4.68 GiB')
  expect(bytes(1023)).toBe('1,023 bytes')
  expect(bytes(2048)).toBe('2 KiB')
  expect(bytes(1024 ** 3 - 1)).toBe('1.00 GiB')
  expect(bytes(1373.285 * 1024 ** 3)).toBe('1,373.29 GiB')
  expect(bytesOf(2.9 * 1024 ** 3, 4.68 * 1024 ** 3)).toBe('2.90 of 4.68 GiB')
  expect(bytesOf(50 * 1024 ** 2, 94 * 1024 ** 2)).toBe('50 of 94 MiB')
})

test('figures are grouped and keep the digits that matter', () => {
  expect(count(131072)).toBe('131,072')
  expect(count(0.05)).toBe('0.05')
  expect(rate(83.94)).toBe('83.9 tok/s')
  expect(rate(99.96)).toBe('100 tok/s')
  expect(rate(4210.4)).toBe('4,210 tok/s')
  expect(seconds(210)).toBe('0.21 s')
  expect(seconds(12_430)).toBe('12.4 s')
  expect(parameters(8_030_000_000)).toBe('8.03 billion')
  expect(parameters(134_515_008)).toBe('135 million')
  expect(parameters(999_999_999)).toBe('1.00 billion')
  expect(plural(1, 'tensor')).toBe('1 tensor')
  expect(plural(1874, 'token')).toBe('1,874 tokens')
  expect(percent(0.155)).toBe('15.500%')
  expect(percent(1.4)).toBe('100.000%')
})

test('a path is cut at either kind of slash', () => {
  expect(pathParts('/home/a/Downloads/x.gguf')).toEqual({ file: 'x.gguf', folder: 'Downloads' })
  expect(pathParts('C:\\Models\\x.gguf')).toEqual({ file: 'x.gguf', folder: 'Models' })
  expect(pathParts('/x.gguf')).toEqual({ file: 'x.gguf', folder: '/' })
})

test('a day is named by how near it is', () => {
  const now = new Date(2026, 10, 23, 9, 0)
  expect(day(new Date(2026, 10, 23, 0, 1).toISOString(), now)).toBe('today')
  expect(day(new Date(2026, 10, 22, 23, 59).toISOString(), now)).toBe('yesterday')
  expect(day(new Date(2026, 10, 18, 12, 0).toISOString(), now)).toBe('18 November')
})
