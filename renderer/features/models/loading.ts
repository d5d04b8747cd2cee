/** How fast a load goes: bytes a second since the first of them came, told once the figure has settled. */
import type { ModelState } from '../../../contract/model.ts'

export interface LoadPace {
  path: string
  /** performance.now() and bytes when the first of the weights had come. */
  since: number
  from: number
  /** Bytes a second; null in the first 300 ms, when the figure would only jump. */
  perSecond: number | null
}

const SETTLES_MS = 300

/** The pace after one more state of the model, seen at `now` (performance.now()). */
export function paceOf(before: LoadPace | null, state: ModelState, now: number): LoadPace | null {
  // Reading the header moves no byte of the weights, however long it takes.
  if (state.status !== 'loading' || state.doneBytes === 0) return null
  const { path, doneBytes } = state
  if (before === null || before.path !== path || doneBytes < before.from) {
    return { path, since: now, from: doneBytes, perSecond: null }
  }
  const elapsed = now - before.since
  const moved = doneBytes - before.from
  return { ...before, perSecond: elapsed < SETTLES_MS || moved === 0 ? null : (moved / elapsed) * 1000 }
}

/** Whole seconds, never less than one. */
export function secondsLeft(state: { doneBytes: number; totalBytes: number }, perSecond: number): string {
  return `${Math.max(1, Math.ceil((state.totalBytes - state.doneBytes) / perSecond))} s`
}
