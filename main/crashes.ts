/** What is said when Chromium's processes end, and how often the page may. No Electron: tested under Node. */
import { KigoError } from '../contract/errors.ts'

/** A page that crashes more often than this within a minute is not started again by itself. */
const MAX_CRASHES = 3
const WINDOW_MS = 60_000

export class CrashCounter {
  #times: number[] = []

  /** Whether the page is started again by itself after a crash at `now`, ms. */
  again(now: number): boolean {
    this.#times = [...this.#times.filter((time) => now - time < WINDOW_MS), now]
    return this.#times.length <= MAX_CRASHES
  }

  /** A person has decided: the count begins anew. */
  forget(): void {
    this.#times = []
  }
}

/** What Electron tells of a process that is gone. */
export interface GoneProcess {
  type: string
  reason: string
  exitCode: number
  name?: string
}

/** The name that the child of chat templates runs under: what its end means is said where the template was asked for. */
export const TEMPLATE_PROCESS = 'Kigo template'

/** The alert for a child process that ended by itself; null where it was meant to, or where it is said elsewhere. */
export function childTrouble({ type, reason, exitCode, name }: GoneProcess): KigoError | null {
  if (reason === 'clean-exit' || name === TEMPLATE_PROCESS) return null
  const what = type === 'GPU' ? 'Chromium’s process for drawing' : `Chromium’s process “${name || type}”`
  return new KigoError('INTERNAL', `${what} ended (${reason}). It is started again.`, {
    hint: 'Nothing that was said is lost. If it happens again, please report it with the log.',
    data: { type, reason, exitCode, name },
  })
}

export function pageCrashed(reason: string): KigoError {
  return new KigoError(
    'INTERNAL',
    `The window’s page crashed (${reason}). It was started again; what was said is kept.`,
    {
      hint: 'If it happens again, please report it with the log.',
      data: { reason },
    },
  )
}

export function startedAfresh(why: string): KigoError {
  return new KigoError(
    'INTERNAL',
    `${why} It was started again with a new chat; the others are in the list.`,
    {
      hint: 'If one of them brings it back, please report it with the log.',
    },
  )
}
