import { describe, expect, it } from 'vitest'
import { haikuInputs } from './haiku-inputs.ts'

const now = new Date(2026, 10, 23, 4, 7)

describe('haikuInputs', () => {
  it('are the clock’s minute and fresh seeds', () => {
    expect(haikuInputs({}, now)).toEqual({ minute: 7 })
  })

  it('are what a test fixes', () => {
    expect(haikuInputs({ KIGO_HAIKU_MINUTE: '40', KIGO_HAIKU_SEEDS: '1,2,3' }, now)).toEqual({
      minute: 40,
      seeds: [1, 2, 3],
    })
  })

  it.each([
    { KIGO_HAIKU_MINUTE: '60' },
    { KIGO_HAIKU_MINUTE: 'x' },
    { KIGO_HAIKU_SEEDS: '1,x' },
    { KIGO_HAIKU_SEEDS: '-1' },
  ])('refuse %j', (env) => {
    expect(() => haikuInputs(env, now)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })
})
