import { expect, test } from 'vitest'
import { meterOf } from './meter.ts'

const usage = { nCtx: 256, used: 0, draft: 0, system: 0, template: 0 }

test('one letter in an empty chat adds one token to what the template says by itself', () => {
  expect(meterOf({ ...usage, used: 30, template: 30, draft: 1 }, null)).toEqual({
    used: 30,
    adds: 1,
    left: 225,
    tooMany: 0,
    near: null,
    parts: [
      { part: 'workspace', words: 'Chat template', tokens: 30 },
      { part: 'kv', words: 'This message', tokens: 1 },
    ],
  })
})

test('the parts are named, and come to what is used and added', () => {
  const { parts, used, adds } = meterOf({ ...usage, used: 120, template: 10, system: 24, draft: 7 }, 30)
  expect(parts.map(({ words, tokens }) => [words, tokens])).toEqual([
    ['System prompt', 24],
    ['Chat template', 10],
    ['The chat so far', 86],
    ['The reply so far', 30],
    ['This message', 7],
  ])
  expect(parts.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(used + adds)
})

test('a prompt must leave room for one token of a reply', () => {
  expect(meterOf({ ...usage, used: 229 }, null)).toMatchObject({ near: null, tooMany: 0 })
  expect(meterOf({ ...usage, used: 231 }, null)).toMatchObject({ near: 'nearly full', tooMany: 0, left: 25 })
  expect(meterOf({ ...usage, used: 200, draft: 55 }, null)).toMatchObject({ near: 'nearly full', tooMany: 0 })
  expect(meterOf({ ...usage, used: 200, draft: 56 }, null)).toMatchObject({
    near: 'full',
    tooMany: 1,
    left: 0,
  })
  expect(meterOf({ ...usage, used: 265 }, null)).toMatchObject({ near: 'full', tooMany: 10 })
})

test('a reply may fill the window to its last token', () => {
  expect(meterOf({ ...usage, used: 200 }, 56)).toMatchObject({ near: 'full', tooMany: 0, left: 0 })
})
