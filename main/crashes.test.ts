import { describe, expect, it } from 'vitest'
import { childTrouble, CrashCounter, TEMPLATE_PROCESS } from './crashes.ts'

describe('a page that crashes', () => {
  it('is started again three times within a minute, and not a fourth time', () => {
    const crashes = new CrashCounter()
    expect([0, 10_000, 20_000, 30_000].map((time) => crashes.again(time))).toEqual([true, true, true, false])
  })

  it('is started again for ever where a minute holds no more than three', () => {
    const crashes = new CrashCounter()
    const times = [...Array(20).keys()].map((i) => i * 20_001)
    expect(times.every((time) => crashes.again(time))).toBe(true)
  })

  it('has its three starts again once a person has decided', () => {
    const crashes = new CrashCounter()
    for (const time of [0, 1, 2, 3]) crashes.again(time)
    crashes.forget()
    expect([4, 5, 6, 7].map((time) => crashes.again(time))).toEqual([true, true, true, false])
  })
})

describe('a child process that is gone', () => {
  const gone = { type: 'Utility', reason: 'crashed', exitCode: 11, name: 'Network Service' }

  it('is said with its name and the reason', () => {
    expect(childTrouble(gone)).toMatchObject({
      code: 'INTERNAL',
      message: 'Chromium’s process “Network Service” ended (crashed). It is started again.',
      data: { exitCode: 11 },
    })
    expect(childTrouble({ ...gone, type: 'GPU', name: '' })?.message).toContain('for drawing')
  })

  it.each([
    'abnormal-exit',
    'killed',
    'crashed',
    'oom',
    'launch-failed',
    'integrity-failure',
    'memory-eviction',
  ])('is said where the reason is %s', (reason) => expect(childTrouble({ ...gone, reason })).not.toBeNull())

  it('is not where it ended as it should', () =>
    expect(childTrouble({ ...gone, reason: 'clean-exit' })).toBeNull())

  it('is said with its template where it rendered one', () => {
    expect(childTrouble({ ...gone, name: TEMPLATE_PROCESS })).toBeNull()
  })
})
