import type { HaikuAttempt, HaikuResult } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'
import type { PromptBuilder } from '../chat/types.ts'
import type { GenerateOptions, Model, Session } from '../engine/index.ts'
import { haikuProblem } from './check.ts'
import { haikuPrompt } from './prompt.ts'
import { minuteInWords } from './words.ts'

export const MAX_ATTEMPTS = 60
/** A haiku has some 20 to 40 tokens; an attempt that is longer is none. */
const MAX_TOKENS = 96
/** The prompt has some 200 tokens. */
const N_CTX = 512

export interface HaikuOptions {
  model: Pick<Model, 'createSession' | 'tokenizer' | 'device' | 'name'>
  prompts: PromptBuilder
  /** 0 to 59. */
  minute: number
  /** One an attempt, so that tests do not depend on luck; fresh random ones if left out. */
  seeds?: readonly number[]
  onAttempt?: (attempt: HaikuAttempt, count: number) => void
  signal?: AbortSignal | undefined
}

/**
 * Asks for a haiku until one holds the minute exactly once in three lines, 60 times at most. Every attempt is a
 * plain generation with the default samplers and its own seed, and is kept as the model wrote it. The prompt's
 * cache is shared, so that an attempt costs its own tokens only. Fails with CANCELLED and what generate() says.
 */
export async function runHaiku(options: HaikuOptions): Promise<HaikuResult> {
  const { model, prompts, minute, seeds, onAttempt, signal } = options
  const begin = performance.now()
  const tokens = await model.tokenizer.encodePrompt(
    await prompts.render(haikuPrompt(minute), signal ? { signal } : {}),
  )
  // A text completer has no token that ends a turn: there the haiku ends with its paragraph.
  const stop = prompts.verdict.mode === 'completion' ? ['\n\n'] : prompts.stop
  await using session = await model.createSession({ contextLength: N_CTX })

  const attempts: HaikuAttempt[] = []
  let haiku: string | null = null
  while (haiku === null && attempts.length < Math.min(MAX_ATTEMPTS, seeds?.length ?? MAX_ATTEMPTS)) {
    const seed = seeds?.[attempts.length] ?? null
    const attempt = await tryOnce(
      session,
      { tokens, stop, endTokens: prompts.endTokens, sampling: { seed }, maxTokens: MAX_TOKENS, signal },
      minute,
    )
    attempts.push(attempt)
    onAttempt?.(attempt, attempts.length)
    if (attempt.ok) haiku = attempt.text.trim()
  }
  const seconds = (performance.now() - begin) / 1000
  return {
    minute,
    words: minuteInWords(minute),
    haiku,
    ok: haiku !== null,
    seconds,
    device: model.device,
    model: model.name,
    attempts,
  }
}

async function tryOnce(session: Session, options: GenerateOptions, minute: number): Promise<HaikuAttempt> {
  let text = ''
  for await (const event of session.generate(options)) {
    if (event.type === 'text') text += event.text
    if (event.type !== 'done') continue
    if (event.reason === 'cancelled') throw new KigoError('CANCELLED')
    const problem = haikuProblem(text, minute)
    const { seed } = event.stats
    return problem ? { seed, text, ok: false, problem } : { seed, text, ok: true }
  }
  throw new KigoError('INTERNAL', 'A generation ended without its last event.')
}
