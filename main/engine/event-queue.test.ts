import { describe, expect, it } from 'vitest'
import { EventQueue } from './event-queue.ts'

async function all<T>(queue: EventQueue<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of queue.read()) items.push(item)
  return items
}

describe('a queue of events', () => {
  it('gives what was pushed before it is read, in order', async () => {
    const queue = new EventQueue<number>()
    for (const item of [1, 2, 3]) queue.push(item)
    queue.end()
    expect(await all(queue)).toEqual([1, 2, 3])
  })

  it('waits for what comes later, one by one, and for the end', async () => {
    const queue = new EventQueue<number>()
    const reading = queue.read()
    for (const item of [1, 2]) {
      const next = reading.next()
      queue.push(item)
      expect(await next).toEqual({ value: item, done: false })
    }
    const last = reading.next()
    queue.end()
    expect(await last).toEqual({ value: undefined, done: true })
  })

  it('ends with an error once what came before was read', async () => {
    const queue = new EventQueue<number>()
    queue.push(1)
    queue.end(new Error('broken'))
    const reading = queue.read()
    expect(await reading.next()).toEqual({ value: 1, done: false })
    await expect(reading.next()).rejects.toThrow('broken')
  })

  it('ends once: what comes as a second end counts for nothing', async () => {
    const sound = new EventQueue<number>()
    sound.end()
    sound.end(new Error('too late'))
    expect(await all(sound)).toEqual([])
    const broken = new EventQueue<number>()
    broken.end(new Error('first'))
    broken.end()
    await expect(all(broken)).rejects.toThrow('first')
  })
})
