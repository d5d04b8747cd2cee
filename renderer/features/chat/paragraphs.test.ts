import { expect, test } from 'vitest'
import { finishedParagraphs } from './paragraphs.ts'

test('the last paragraph is finished only when the text is', () => {
  expect(finishedParagraphs('One.\n\nTwo', false)).toEqual(['One.'])
  expect(finishedParagraphs('One.\n\nTwo', true)).toEqual(['One.', 'Two'])
  expect(finishedParagraphs('One.\n\n', false)).toEqual(['One.'])
  expect(finishedParagraphs('\n\nOne', false)).toEqual([])
  expect(finishedParagraphs('', true)).toEqual([])
})
