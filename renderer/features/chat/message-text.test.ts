import { expect, test } from 'vitest'
import { folded, withoutBlankEdges } from './message-text.ts'

test.each([
  ['\n\nhello\n\n', 'hello'],
  ['\n \t\r\n\n\tif x:\n\n  y\n', '\tif x:\n\n  y'],
  ['\n    return x', '    return x'],
  ['  \n\t\n    return x\n  \n', '    return x'],
  ['one\n\n two ', 'one\n\n two '],
  ['a\n', 'a'],
  [' \n \t\n', ''],
  ['', ''],
])('only the empty lines around %j go', (text, left) => {
  expect(withoutBlankEdges(text)).toBe(left)
})

test('a million empty lines are no hindrance', () => {
  const empty = '\n'.repeat(1_000_000)
  expect(withoutBlankEdges(`${empty}a${empty}b${empty}`)).toBe(`a${empty}b`)
})

test('a text that can be read past is not folded', () => {
  expect(folded('word '.repeat(1000))).toBeNull()
  expect(folded('line\n'.repeat(59))).toBeNull()
})

test('a long one shows its beginning, in whole characters', () => {
  expect(folded('x'.repeat(200_000))).toBe('x'.repeat(1200))
  expect(folded(`a${'😀'.repeat(100_000)}`)).toBe(`a${'😀'.repeat(599)}`)
  expect(folded('line\n'.repeat(100))?.split('\n')).toHaveLength(12)
})
