import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CHAT_FIELDS,
  limits,
  LOAD_FIELDS,
  parseField,
  parseStopField,
  parseStops,
  showStops,
  stepped,
  type ChatNumber,
  type LoadNumber,
} from './fields.ts'

test('a typed number is taken with or without grouping', () => {
  expect(parseField('temperature', '0.7')).toEqual({ ok: true, value: 0.7 })
  expect(parseField('temperature', ' 0,7 ')).toEqual({ ok: true, value: 0.7 })
  expect(parseField('contextLength', '50,688')).toEqual({ ok: true, value: 50688 })
  expect(parseField('seed', '4 294 967 295')).toEqual({ ok: true, value: 4294967295 })
  expect(parseField('presencePenalty', '−1.5')).toEqual({ ok: true, value: -1.5 })
})

test('an empty field is null where that means something, else it is not valid', () => {
  expect(parseField('seed', '')).toEqual({ ok: true, value: null })
  expect(parseField('maxTokens', '')).toEqual({ ok: true, value: null })
  expect(parseField('threads', '')).toEqual({ ok: true, value: null })
  expect(parseField('temperature', '')).toEqual({ ok: false, problem: 'A number is needed.' })
})

test('what is out of range says which range', () => {
  expect(parseField('temperature', '-1')).toEqual({ ok: false, problem: '0 or more.' })
  expect(parseField('temperature', '11')).toEqual({ ok: false, problem: '10 or less.' })
  expect(parseField('topK', '1.5')).toEqual({ ok: false, problem: 'A whole number.' })
  expect(parseField('topK', 'many')).toEqual({ ok: false, problem: 'A number is needed.' })
  expect(parseField('maxTokens', '0')).toEqual({ ok: false, problem: '1 or more.' })
})

test('what is more than this computer allows says how much that is', () => {
  expect(parseField('threads', '8', 8)).toEqual({ ok: true, value: 8 })
  expect(parseField('threads', '9', 8)).toEqual({ ok: false, problem: '8 or less.' })
  expect(parseField('threads', '5000', 8)).toEqual({ ok: false, problem: '8 or less.' })
  expect(parseField('threads', '', 8)).toEqual({ ok: true, value: null })
  expect(parseField('threads', '5000', 4096)).toEqual({ ok: false, problem: '1,024 or less.' })
  expect(stepped('threads', 7, 10, 8)).toBe(8)
  expect(limits('threads', 8)).toEqual({ min: 1, max: 8 })
})

test('a step leaves no dust and stays in range', () => {
  expect(stepped('temperature', 0.15, 3)).toBe(0.3)
  expect(stepped('temperature', 0, -1)).toBe(0)
  expect(stepped('topP', 1, 10)).toBe(1)
  expect(stepped('threads', 1, -5)).toBe(1)
})

test('every slider lies within what its field takes', () => {
  for (const [name, { slider }] of Object.entries({ ...CHAT_FIELDS, ...LOAD_FIELDS })) {
    if (!slider) continue
    const { min, max } = limits(name as ChatNumber | LoadNumber)
    expect(min).toBeLessThanOrEqual(slider.min)
    expect(max).toBeGreaterThanOrEqual(slider.max)
  }
})

test('stop sequences come back as they were written', () => {
  expect(parseStops('###\n\\n\\nUser:\n\n')).toEqual(['###', '\n\nUser:'])
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 20 })), (stops) => {
      expect(parseStops(showStops(stops))).toEqual(stops)
    }),
  )
})

test('more stop sequences than the contract takes, or longer ones, are refused in words', () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `s${i}`).join('\n')
  expect(parseStopField(many(16))).toMatchObject({ ok: true, value: expect.arrayContaining(['s15']) })
  expect(parseStopField(many(17))).toEqual({ ok: false, problem: '16 at most; these are 17.' })
  expect(parseStopField('x'.repeat(1000))).toMatchObject({ ok: true })
  expect(parseStopField(`a\n${'x'.repeat(1001)}`)).toMatchObject({ ok: false })
})
