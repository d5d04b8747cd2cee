/**
 * Keeps a conversation's ids as the model really saw them. A reply's tokens, decoded to text and encoded again
 * with the next prompt, may be cut differently, and the KV cache would be of no use from there on; so where the
 * next prompt's text goes on from what the model saw, its ids do too, and only the rest is encoded.
 */
import type { TokenizerClient } from '../tokenizer/client.ts'
import type { RenderedPrompt } from './types.ts'

export interface KnownPrefix {
  /** Prompt and reply as text, and as ids. */
  text: string
  ids: Int32Array
}

type Encoder = Pick<TokenizerClient, 'encode' | 'encodePrompt' | 'decode' | 'facts'>

/** The ids of `prompt`; those of `prefix` as they are where the prompt goes on from it. */
export async function encodeAfter(
  tokenizer: Encoder,
  prefix: KnownPrefix | null,
  prompt: RenderedPrompt,
): Promise<Int32Array> {
  const rest = prefix && restAfter(prefix, prompt)
  if (!rest || !mayContinue(tokenizer.facts, rest)) return tokenizer.encodePrompt(prompt)
  const { barriers, markers = [] } = rest
  const ids = await tokenizer.encode(rest.text, { special: true, addBosEos: false, barriers, markers })
  return concat(prefix.ids, ids)
}

/** What the model saw after a reply; null where the reply's text is not exactly what its ids say. */
export async function prefixAfter(
  tokenizer: Encoder,
  prompt: { text: string; ids: Int32Array },
  reply: { text: string; ids: readonly number[] },
): Promise<KnownPrefix | null> {
  if (reply.text !== (await tokenizer.decode(reply.ids))) return null
  return { text: prompt.text + reply.text, ids: concat(prompt.ids, Int32Array.from(reply.ids)) }
}

/** What of `prompt` lies behind `prefix`; null: it does not go on from there. */
export function restAfter(prefix: KnownPrefix, prompt: RenderedPrompt): RenderedPrompt | null {
  const at = prefix.text.length
  if (prompt.text.length === at || !prompt.text.startsWith(prefix.text)) return null
  return {
    ...prompt,
    text: prompt.text.slice(at),
    barriers: prompt.barriers.filter((offset) => offset > at).map((offset) => offset - at),
  }
}

/** SentencePiece puts a space before a text that does not begin with a marker: such a rest cannot stand alone. */
function mayContinue(facts: Encoder['facts'], { text, markers = [] }: RenderedPrompt): boolean {
  return (
    facts.model === 'gpt2' || [...facts.controlTexts, ...markers].some((marker) => text.startsWith(marker))
  )
}

function concat(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
