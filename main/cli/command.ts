import type { Io } from './io.ts'

export interface Command {
  name: string
  /** One line for `kigo --help`. */
  summary: string
  /** What `kigo NAME --help` prints. */
  usage: string
  /** Resolves to the exit status; throws UsageError (2) or KigoError (1). */
  run(args: string[], io: Io): Promise<number>
}

export const CANCELLED = 130
