import { createPromptBuilder, type GivenTemplate } from '../chat/prompt.ts'
import type { PromptBuilder } from '../chat/types.ts'
import { nodeLauncher } from '../isolated/node-launcher.ts'
import { createIsolation, type Isolation } from '../isolated/run-isolated.ts'
import type { TokenizerClient } from '../tokenizer/client.ts'
import { writeLine, type Io } from './io.ts'
import { readTextFile } from './text.ts'

/** Chat templates run in a child process, which ends with this. */
export function openIsolation(io: Pick<Io, 'launcher'>): Isolation & AsyncDisposable {
  const isolation = createIsolation(io.launcher ?? nodeLauncher)
  return { ...isolation, [Symbol.asyncDispose]: async () => isolation.close() }
}

export const TEMPLATE_OPTION = { 'chat-template': { type: 'string' } } as const

/** The template that --chat-template names; null without it. Read before a model is loaded. */
export async function templateFrom(values: { 'chat-template'?: string }): Promise<GivenTemplate | null> {
  const file = values['chat-template']
  return file === undefined ? null : { name: `The chat template in ${file}`, text: await readTextFile(file) }
}

/**
 * The model's way to make prompts, or the one that `given` makes of it; what a person should know of it is said on
 * stderr.
 */
export async function openPrompts(
  tokenizer: TokenizerClient,
  io: Io,
  given: GivenTemplate | null = null,
): Promise<{ builder: PromptBuilder } & AsyncDisposable> {
  const isolation = openIsolation(io)
  try {
    const { metadata, facts, templateTokens } = tokenizer
    const { run } = isolation
    const tokensOf = templateTokens
    const builder = await createPromptBuilder({ metadata, facts, tokensOf, given, run, signal: io.signal })
    if (builder.verdict.problem) await writeLine(io.stderr, builder.verdict.problem)
    return { builder, [Symbol.asyncDispose]: async () => isolation.close() }
  } catch (error) {
    isolation.close()
    throw error
  }
}
