/**
 * What a chat template writes itself, around what was said: which tokens it means, and how it ends the turn of an
 * assistant. Learnt from a sample conversation, because a template is a program and its text alone does not tell.
 */
import type { TokenizerFacts } from '../tokenizer/types.ts'
import type { TemplateTokens } from '../tokenizer/markers.ts'

/** What a vocabulary makes of a template's own words; see Tokenizer.templateTokens. */
export type TokensOf = (
  written: string,
  behind: readonly string[],
) => TemplateTokens | Promise<TemplateTokens>

/** A sample conversation as a template renders it. */
export interface Sample {
  text: string
  /** What was said in it, in this order. */
  said: readonly string[]
  /** Which of these an assistant said last. */
  reply: string
}

/** How a template speaks to its model. */
export interface TemplateWords {
  /** Texts that count as control tokens in this template. */
  markers: readonly string[]
  /** Tokens that end an assistant's turn. */
  endTokens: readonly number[]
  /** Texts that do, where no token does. */
  stop: readonly string[]
}

export async function learnWords(
  source: string,
  samples: readonly Sample[],
  facts: Pick<TokenizerFacts, 'controlTexts'>,
  tokensOf: TokensOf | undefined,
): Promise<TemplateWords> {
  const behind = samples.map(textBehindReply)
  const written = [source, ...samples.map(withoutWhatWasSaid)].join('\n')
  const { markers, ends } = (await tokensOf?.(written, behind)) ?? { markers: [], ends: [] }
  const endTokens = [...new Set(ends.flatMap((id) => id ?? []))]
  const known = [...facts.controlTexts, ...markers]
  const isToken = behind.some((text) => known.some((marker) => text.trimStart().startsWith(marker)))
  return { markers, endTokens, stop: isToken ? [] : [...new Set(behind.flatMap(stopText))] }
}

/** From the end of the last reply to whatever was said next, or to the end. */
function textBehindReply({ text, said, reply }: Sample): string {
  const from = text.lastIndexOf(reply) + reply.length
  const next = said.map((content) => text.indexOf(content, from)).filter((at) => at >= from)
  return text.slice(from, Math.min(text.length, ...next))
}

/** A line for every stretch that the template wrote itself. */
function withoutWhatWasSaid({ text, said }: Sample): string {
  return said.reduce((rest, content) => rest.replaceAll(content, '\n'), text)
}

/**
 * A marker, or the first line behind a reply that holds something, with the line feed before it: a model that writes
 * it goes on with a turn that is not its own. One character is no such line: it could stand in any reply.
 */
function stopText(behind: string): string[] {
  const marker = /^\s*(<[^\s<>]+>|\[[^\s[\]]+\])/.exec(behind)?.[1]
  if (marker !== undefined) return [marker]
  const line = behind.trimStart().split('\n', 1)[0]?.trimEnd() ?? ''
  const space = behind.slice(0, behind.length - behind.trimStart().length)
  return line.length > 1 ? [`${space.includes('\n') ? '\n' : ''}${line}`] : []
}
