/** How many threads the CPU may be asked to compute with. */
import { availableParallelism } from 'node:os'
import { KigoError } from '../../contract/errors.ts'
import { grouped } from '../numbers.ts'

/**
 * One for each processor that this process may use. The threads of an operation wait for each other, so one that has
 * no processor holds all the others up: with 1,024 on 2 processors a token took some 20 s.
 */
export const mostThreads = (): number => availableParallelism()

/** INVALID_INPUT where `threads` are too many; null: as many as Kigo thinks best. */
export function checkThreads(threads: number | null): void {
  const most = mostThreads()
  if (threads === null || threads <= most) return
  const processors = most === 1 ? 'the one processor' : `the ${grouped(most)} processors`
  throw new KigoError(
    'INVALID_INPUT',
    `${grouped(threads)} threads are more than ${processors} that Kigo may use here.`,
    {
      hint: `Set threads to at most ${grouped(most)}, or leave their number to Kigo: one per physical core.`,
      data: { threads, most },
    },
  )
}
