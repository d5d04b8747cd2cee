import { expect, it } from 'vitest'
import { limited } from './limit.ts'

const tick = () => new Promise((resolve) => setTimeout(resolve, 0))

it('limited() runs so many at a time, in order, also where some fail', async () => {
  const begun: number[] = []
  const ends: (() => void)[] = []
  let now = 0
  let most = 0
  const work = limited(2, async (i: number) => {
    begun.push(i)
    most = Math.max(most, ++now)
    await new Promise<void>((resolve) => ends.push(resolve))
    now--
    if (i % 2) throw new Error(`no ${i}`)
    return i
  })
  const results = Promise.allSettled([0, 1, 2, 3, 4].map((i) => work(i)))
  await tick()
  expect(begun).toEqual([0, 1])
  for (let i = 0; i < 5; i++) {
    ends[i]?.()
    await tick()
  }
  expect(begun).toEqual([0, 1, 2, 3, 4])
  expect(most).toBe(2)
  expect((await results).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ])
  const again = work(6)
  await tick()
  ends[5]?.()
  expect(await again).toBe(6)
})
