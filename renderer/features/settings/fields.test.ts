import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CHAT_FIELDS,
  limits,
  LOAD_FIELDS,
  parseField,
  parseStopField,
  parseStops,
  problemOfSystemPrompt,
  showNumber,
  showStops,
  spacesIn,
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

test('a number is taken as a whole or not at all', () => {
  for (const text of [
    '25x',
    '1 2',
    '0x10',
    'Infinity',
    '5 %',
    '1.2.3',
    '--1',
    '.',
    '-',
    '1,23,456',
    '32k',
    'NaN',
  ])
    for (const name of ['temperature', 'seed'] as const)
      expect(parseField(name, text), `${name} ${text}`).toEqual({ ok: false, problem: 'A number is needed.' })
  expect(parseField('temperature', '25')).toEqual({ ok: false, problem: '10 or less.' })
  expect(parseField('seed', '4294967296')).toEqual({ ok: false, problem: '4,294,967,295 or less.' })
  expect(parseField('seed', '1e400')).toEqual({ ok: false, problem: '4,294,967,295 or less.' })
  expect(parseField('contextLength', '9007199254740993')).toMatchObject({ ok: false })
})

test('a comma stands before a fraction or a group of three, whichever the field can take', () => {
  expect(parseField('temperature', '1,125')).toEqual({ ok: true, value: 1.125 })
  expect(parseField('minP', '0,125')).toEqual({ ok: true, value: 0.125 })
  expect(parseField('maxTokens', '1,125')).toEqual({ ok: true, value: 1125 })
  expect(parseField('maxTokens', '1,5')).toEqual({ ok: false, problem: 'A whole number.' })
  expect(parseField('maxTokens', '1’048’576')).toEqual({ ok: true, value: 1_048_576 })
})

test('digits of full width, exponents and a zero below zero are numbers like others', () => {
  expect(parseField('topK', '４０')).toEqual({ ok: true, value: 40 })
  expect(parseField('minP', '1e-3')).toEqual({ ok: true, value: 0.001 })
  expect(parseField('presencePenalty', '-0')).toEqual({ ok: true, value: 0 })
})

test('a field shows every digit of its value, and takes what it shows', () => {
  expect(showNumber(1.1)).toBe('1.1')
  expect(showNumber(4294967295)).toBe('4,294,967,295')
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (value) => {
      expect(parseField('minP', showNumber(value))).toEqual({ ok: true, value })
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (value) => {
      expect(parseField('seed', showNumber(value))).toEqual({ ok: true, value })
    }),
  )
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

test('a stop sequence of one space is one, and is said because it cannot be seen', () => {
  expect(parseStopField(' ')).toEqual({ ok: true, value: [' '] })
  expect(parseStops('a\n \nb ')).toEqual(['a', ' ', 'b '])
  expect(showStops([' '])).toBe(' ')
  expect(spacesIn([' ', '###', 'User:\n', '\n\nUser: '])).toBe('Spaces count: “ ”, “\\n\\nUser: ”.')
  expect(spacesIn(['###'])).toBe('')
})

test('a system prompt longer than the contract takes is refused in words', () => {
  expect(problemOfSystemPrompt('x'.repeat(1_000_000))).toBeNull()
  expect(problemOfSystemPrompt('x'.repeat(1_000_001))).toBe(
    '1,000,000 characters at most; these are 1,000,001.',
  )
})

test('more stop sequences than the contract takes, or longer ones, are refused in words', () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `s${i}`).join('\n')
  expect(parseStopField(many(16))).toMatchObject({ ok: true, value: expect.arrayContaining(['s15']) })
  expect(parseStopField(many(17))).toEqual({ ok: false, problem: '16 at most; these are 17.' })
  expect(parseStopField('x'.repeat(1000))).toMatchObject({ ok: true })
  expect(parseStopField(`a\n${'x'.repeat(1001)}`)).toMatchObject({ ok: false })
})
