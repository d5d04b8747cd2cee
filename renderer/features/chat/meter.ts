/** The arithmetic of the context meter. */
import type { ContextUsage } from '../../../contract/chat.ts'

export interface Meter {
  /** Tokens of the next prompt without this message, or of the prompt that is answered. */
  used: number
  /** What this message adds, or the reply that runs. */
  adds: number
  left: number
  /** By how many tokens the next prompt is too long; a prompt must leave one for the reply. */
  tooMany: number
  /** In words, from 90 % on. */
  near: 'nearly full' | 'full' | null
  /** What it is made of, in the order of the bar. */
  parts: { part: 'other' | 'workspace' | 'weights' | 'kv'; words: string; tokens: number }[]
}

/** `writing`: tokens of the reply that runs; null where none does. */
export function meterOf(usage: ContextUsage, writing: number | null): Meter {
  const { nCtx, used, draft, system, template } = usage
  const adds = draft + (writing ?? 0)
  const all = used + adds
  const parts: Meter['parts'] = [
    { part: 'other', words: 'System prompt', tokens: system },
    { part: 'workspace', words: 'Chat template', tokens: Math.min(template, used - system) },
    { part: 'weights', words: 'The chat so far', tokens: Math.max(0, used - system - template) },
    { part: 'kv', words: 'The reply so far', tokens: writing ?? 0 },
    { part: 'kv', words: 'This message', tokens: draft },
  ]
  return {
    used,
    adds,
    left: Math.max(0, nCtx - all),
    tooMany: writing === null ? Math.max(0, all + 1 - nCtx) : Math.max(0, all - nCtx),
    near: all >= nCtx ? 'full' : all >= 0.9 * nCtx ? 'nearly full' : null,
    parts: parts.filter(({ tokens }) => tokens > 0),
  }
}
