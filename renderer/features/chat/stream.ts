import type { Frame, Reason, ReplyStats } from '../../../contract/chat.ts'
import type { ErrorData } from '../../../contract/errors.ts'

/**
 * What the window knows of one running reply. Frames name where their text begins (`seq`, UTF-16 units), so
 * a frame that overlaps adds only what is new, and one that starts beyond the end shows that something is
 * missing: then nothing is applied and the stream is attached again from `text.length`.
 */
export interface Live {
  text: string
  prefill: { done: number; total: number; cached: number } | null
  tokens: number
  tokensPerSecond: number
  end: { reason: Reason; stats: ReplyStats; model?: string | undefined } | { error: ErrorData } | null
}

export const startLive = (text: string): Live => ({
  text,
  prefill: null,
  tokens: 0,
  tokensPerSecond: 0,
  end: null,
})

export interface Applied {
  live: Live
  /** Frames from here on do not follow from the text: attach again. */
  gap: boolean
}

/** Applies the frames of one animation frame, in order, and stops at a gap. */
export function applyFrames(live: Live, frames: readonly Frame[]): Applied {
  const parts: string[] = []
  let length = live.text.length
  let { prefill, tokens, tokensPerSecond, end } = live
  let gap = false
  for (const frame of frames) {
    if (end !== null) break
    if (frame.type === 'prefill') {
      prefill = { done: frame.done, total: frame.total, cached: frame.cached }
      continue
    }
    if (frame.seq > length) {
      gap = true
      break
    }
    if (frame.type === 'text') {
      const fresh = frame.text.slice(length - frame.seq)
      parts.push(fresh)
      length += fresh.length
      tokens = frame.tokens
      tokensPerSecond = frame.tokensPerSecond
    } else if (frame.type === 'done') {
      end = { reason: frame.reason, stats: frame.stats, model: frame.model }
    } else {
      end = { error: frame.error }
    }
  }
  const text = parts.length === 0 ? live.text : live.text + parts.join('')
  return { live: { text, prefill, tokens, tokensPerSecond, end }, gap }
}
