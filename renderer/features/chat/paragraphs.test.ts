import { expect, test } from 'vitest'
import { finishedParagraphs, withoutBlankStart } from './paragraphs.ts'

test('the last paragraph is finished only when the text is', () => {
  expect(finishedParagraphs('One.\n\nTwo', false)).toEqual(['One.'])
  expect(finishedParagraphs('One.\n\nTwo', true)).toEqual(['One.', 'Two'])
  expect(finishedParagraphs('One.\n\n', false)).toEqual(['One.'])
  expect(finishedParagraphs('\n\nOne', false)).toEqual([])
  expect(finishedParagraphs('', true)).toEqual([])
})

test('blank lines at the start go, the indentation of the first line stays', () => {
  expect(withoutBlankStart('\n    return x')).toBe('    return x')
  expect(withoutBlankStart('\n \t\r\n\n\tif x:\n\n  y\n')).toBe('\tif x:\n\n  y\n')
  expect(withoutBlankStart('  two spaces')).toBe('  two spaces')
  expect(withoutBlankStart('text')).toBe('text')
  expect(withoutBlankStart(' \n\n ')).toBe('')
  expect(withoutBlankStart('')).toBe('')
})
