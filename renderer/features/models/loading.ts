import type { ModelState } from '../../../contract/model.ts'
import { seconds } from '../../ui/format.ts'

type Loading = Extract<ModelState, { status: 'loading' }>

let path = ''
let since = 0
let from = 0

/**
 * Bytes a second since the first progress of this load was seen, and the time that is left. null in the first
 * 300 ms, when the figure would only jump.
 */
export function loadingRate(
  state: Loading,
  now = performance.now(),
): { perSecond: number; left: string } | null {
  if (state.path !== path || state.doneBytes < from) {
    path = state.path
    since = now
    from = state.doneBytes
  }
  const elapsed = now - since
  const moved = state.doneBytes - from
  if (elapsed < 300 || moved <= 0) return null
  const perSecond = (moved / elapsed) * 1000
  const leftMs = ((state.totalBytes - state.doneBytes) / perSecond) * 1000
  return {
    perSecond,
    left: leftMs < 1000 ? '1 s' : seconds(Math.ceil(leftMs / 1000) * 1000).replace('.00', ''),
  }
}
