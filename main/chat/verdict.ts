/** Whether a chat template works, and what it can do: found by rendering a sample conversation. */
import { KigoError } from '../../contract/errors.ts'
import type { ChatTemplateVerdict } from '../../contract/model.ts'
import type { ChatTurn, PromptBuilder, RenderedPrompt } from './types.ts'
import type { Sample } from './words.ts'

export type Render = (
  turns: readonly ChatTurn[],
  options?: Parameters<PromptBuilder['render']>[1],
  milliseconds?: number,
) => Promise<RenderedPrompt>

/** A person waits for the verdict, and the sample is short. */
const SAMPLE_MILLISECONDS = 2_000

const SAMPLE: Record<'system' | 'user' | 'reply' | 'next', ChatTurn> = {
  system: { role: 'system', content: 'sample-system-prompt' },
  user: { role: 'user', content: 'sample-question' },
  reply: { role: 'assistant', content: 'sample-answer' },
  next: { role: 'user', content: 'sample-next-question' },
}

/**
 * Renders a sample with and without a system prompt; what was said must be in what comes out. Where it is not `ok`,
 * `problem` says what is wrong, from the middle of a sentence on.
 */
export async function judge(
  template: string,
  render: Render,
  signal: AbortSignal | undefined,
): Promise<ChatTemplateVerdict> {
  const { system, user, reply, next } = SAMPLE
  const problemWith = async (turns: ChatTurn[]): Promise<{ message: string; hopeless: boolean } | null> => {
    try {
      const { text } = await render(turns, signal ? { signal } : {}, SAMPLE_MILLISECONDS)
      const lost = turns.find(({ content }) => !text.includes(content))
      return lost
        ? {
            message: `it leaves out what the ${lost.role === 'assistant' ? 'model' : lost.role} said.`,
            hopeless: false,
          }
        : null
    } catch (error) {
      if (!isTemplateError(error)) throw error
      // Out of time or memory: trying again costs as much again.
      return {
        message: error.message.replace(/^The chat template /, 'it '),
        hopeless: !['failed', undefined].includes(error.data?.['reason'] as string | undefined),
      }
    }
  }
  const withSystem = await problemWith([system, user, reply, next])
  const problem =
    withSystem === null || withSystem.hopeless ? withSystem : await problemWith([user, reply, next])
  const known = { present: true, system: withSystem === null, mode: 'template' } as const
  if (problem !== null) return { ...known, ok: false, thinking: false, problem: problem.message }
  return { ...known, ok: true, thinking: await knowsThinking(template, render, user, signal) }
}

/** The sample as a template that works renders it: with a further question, and closed behind the reply. */
export async function sampleOf(
  render: Render,
  withSystem: boolean,
  signal: AbortSignal | undefined,
): Promise<Sample[]> {
  const { system, user, reply, next } = SAMPLE
  const turns = withSystem ? [system, user, reply] : [user, reply]
  const rendered = async (sample: ChatTurn[], addGenerationPrompt: boolean): Promise<Sample[]> => {
    const said = sample.map(({ content }) => content)
    try {
      const options = { addGenerationPrompt, ...(signal ? { signal } : {}) }
      const { text } = await render(sample, options, SAMPLE_MILLISECONDS)
      return [{ text, said, reply: reply.content }]
    } catch (error) {
      // Some templates refuse a conversation that ends with a reply.
      if (isTemplateError(error)) return []
      throw error
    }
  }
  return [...(await rendered([...turns, next], true)), ...(await rendered(turns, false))]
}

/** How replies mark their thoughts, in the templates of the models that have any. */
const THOUGHTS = /<\/?(?:seed:)?think>|\[\/?THINK\]|<\|(?:START|END)_THINKING\|>|<\|channel\|>analysis/

/** Its switch changes the prompt, or it deals with thoughts in replies. */
async function knowsThinking(
  template: string,
  render: Render,
  user: ChatTurn,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (THOUGHTS.test(template)) return true
  if (!template.includes('enable_thinking')) return false
  try {
    const options = (thinking: boolean) => ({ thinking, ...(signal ? { signal } : {}) })
    const on = await render([user], options(true), SAMPLE_MILLISECONDS)
    const off = await render([user], options(false), SAMPLE_MILLISECONDS)
    return on.text !== off.text
  } catch (error) {
    // It works without the switch, and that is how it is used then.
    if (isTemplateError(error)) return false
    throw error
  }
}

function isTemplateError(error: unknown): error is KigoError {
  return error instanceof KigoError && error.code === 'TEMPLATE_ERROR'
}
