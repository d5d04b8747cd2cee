import { createPromptBuilder } from '../chat/prompt.ts'
import type { PromptBuilder } from '../chat/types.ts'
import { nodeLauncher } from '../isolated/node-launcher.ts'
import { createIsolation, type Isolation } from '../isolated/run-isolated.ts'
import type { TokenizerClient } from '../tokenizer/client.ts'
import { writeLine, type Io } from './io.ts'

/** Chat templates run in a child process, which ends with this. */
export function openIsolation(io: Pick<Io, 'launcher'>): Isolation & AsyncDisposable {
  const isolation = createIsolation(io.launcher ?? nodeLauncher)
  return { ...isolation, [Symbol.asyncDispose]: async () => isolation.close() }
}

/** The model's way to make prompts; what a person should know of it is said on stderr. */
export async function openPrompts(
  tokenizer: TokenizerClient,
  io: Io,
): Promise<{ builder: PromptBuilder } & AsyncDisposable> {
  const isolation = openIsolation(io)
  try {
    const { metadata, facts } = tokenizer
    const builder = await createPromptBuilder({ metadata, facts, run: isolation.run, signal: io.signal })
    if (builder.verdict.problem) await writeLine(io.stderr, builder.verdict.problem)
    return { builder, [Symbol.asyncDispose]: async () => isolation.close() }
  } catch (error) {
    isolation.close()
    throw error
  }
}
