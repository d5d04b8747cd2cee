/** Turns a conversation into a prompt, in the way that the model's file asks for. */
import { KigoError } from '../../contract/errors.ts'
import type { ChatTemplateVerdict } from '../../contract/model.ts'
import type { Metadata } from '../gguf/types.ts'
import type { RunIsolated } from '../isolated/types.ts'
import type { TokenizerFacts } from '../tokenizer/types.ts'
import { makeBreaker } from './barriers.ts'
import { renderTemplate } from './template.ts'
import type { ChatTurn, PromptBuilder, RenderedPrompt } from './types.ts'

export interface PromptBuilderOptions {
  /** The header; its scalars are enough. */
  metadata: Metadata
  facts: Pick<TokenizerFacts, 'bosText' | 'eosText' | 'controlTexts'>
  run: RunIsolated
  signal?: AbortSignal | undefined
  /** What templates are told the time is; tests set it. */
  now?: () => Date
}

/** What Kigo uses where a file's own template fails. */
const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

/** Judges the template on a sample conversation. A bad or missing template is a verdict, not an error. */
export async function createPromptBuilder(options: PromptBuilderOptions): Promise<PromptBuilder> {
  const { metadata, facts, run, now } = options
  const template = metadata.get('tokenizer.chat_template')
  const renderWith =
    (source: string): Render =>
    (turns, { addGenerationPrompt = true, thinking, signal } = {}, milliseconds) =>
      renderTurns(run, source, facts, turns, {
        addGenerationPrompt,
        thinking,
        signal,
        milliseconds,
        now: now?.(),
      })

  if (template === undefined || template === '') return completer(facts)
  const verdict: ChatTemplateVerdict =
    typeof template === 'string'
      ? await judge(template, renderWith(template), options.signal)
      : chatml('The chat template in this file is not text, so Kigo uses ChatML in its place.')
  const render = renderWith(verdict.mode === 'template' ? (template as string) : CHATML)
  const hasMarker = facts.controlTexts.includes('<|im_end|>')
  return {
    verdict,
    // ChatML in a vocabulary that has no token for its end marker: the model may still write it out.
    stop: verdict.mode === 'chatml' && !hasMarker ? ['<|im_end|>'] : [],
    render: (turns, renderOptions) => render(verdict.system ? turns : mergeSystem(turns), renderOptions),
  }
}

type Render = (
  turns: readonly ChatTurn[],
  options?: Parameters<PromptBuilder['render']>[1],
  milliseconds?: number,
) => Promise<RenderedPrompt>

/** A person waits for the verdict, and the sample is short. */
const SAMPLE_MILLISECONDS = 2_000

/** The same verdict without a tokenizer: for judging a file before anything is loaded. */
export async function templateVerdict(
  metadata: Metadata,
  run: RunIsolated,
  signal?: AbortSignal,
): Promise<ChatTemplateVerdict> {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const textOf = (key: string): string => {
    const id = metadata.get(key)
    const text = Array.isArray(tokens) && typeof id === 'number' ? tokens[id] : undefined
    return typeof text === 'string' ? text : ''
  }
  const facts = {
    bosText: textOf('tokenizer.ggml.bos_token_id'),
    eosText: textOf('tokenizer.ggml.eos_token_id'),
    controlTexts: [],
  }
  return (await createPromptBuilder({ metadata, facts, run, signal })).verdict
}

async function renderTurns(
  run: RunIsolated,
  template: string,
  facts: PromptBuilderOptions['facts'],
  turns: readonly ChatTurn[],
  options: {
    addGenerationPrompt: boolean
    thinking: boolean | undefined
    signal: AbortSignal | undefined
    milliseconds: number | undefined
    now: Date | undefined
  },
): Promise<RenderedPrompt> {
  const breaker = makeBreaker(
    facts.controlTexts,
    turns.map((turn) => turn.content),
  )
  const context = {
    messages: turns.map(({ role, content }) => ({ role, content: breaker.broken(content) })),
    add_generation_prompt: options.addGenerationPrompt,
    bos_token: facts.bosText,
    eos_token: facts.eosText,
    ...(options.thinking === undefined ? {} : { enable_thinking: options.thinking }),
  }
  return breaker.restore(await renderTemplate(run, template, context, options))
}

const SAMPLE: Record<'system' | 'user' | 'reply' | 'next', ChatTurn> = {
  system: { role: 'system', content: 'sample-system-prompt' },
  user: { role: 'user', content: 'sample-question' },
  reply: { role: 'assistant', content: 'sample-answer' },
  next: { role: 'user', content: 'sample-next-question' },
}

/** Renders a sample with and without a system prompt; what was said must be in what comes out. */
async function judge(
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
      if (!(error instanceof KigoError) || error.code !== 'TEMPLATE_ERROR') throw error
      // Out of time or memory: trying again costs as much again.
      return {
        message: error.message,
        hopeless: !['failed', undefined].includes(error.data?.['reason'] as string | undefined),
      }
    }
  }
  const withSystem = await problemWith([system, user, reply, next])
  const problem =
    withSystem === null || withSystem.hopeless ? withSystem : await problemWith([user, reply, next])
  if (problem !== null)
    return chatml(
      `The chat template of this file does not work, so Kigo uses ChatML in its place: ${problem.message}`,
    )
  return {
    present: true,
    ok: true,
    system: withSystem === null,
    thinking: await knowsThinking(template, render, user, signal),
    mode: 'template',
  }
}

function chatml(problem: string): ChatTemplateVerdict {
  return { present: true, ok: false, system: true, thinking: false, mode: 'chatml', problem }
}

/** How replies mark their thoughts, in the templates of the models that have any. */
const THOUGHTS = /<\/?(?:seed:)?think>|\[\/?THINK\]|<\|(?:START|END)_THINKING\|>|<\|channel\|>analysis/

/**
 * Its switch changes the prompt, or it deals with thoughts in replies. A template that fails or does not end with the
 * switch set has none that could be used; without it, it was found well.
 */
async function knowsThinking(
  template: string,
  render: Render,
  user: ChatTurn,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (THOUGHTS.test(template)) return true
  if (!template.includes('enable_thinking')) return false
  try {
    const [on, off] = await Promise.all(
      [true, false].map((thinking) =>
        render([user], { thinking, ...(signal ? { signal } : {}) }, SAMPLE_MILLISECONDS),
      ),
    )
    return on?.text !== off?.text
  } catch (error) {
    if (error instanceof KigoError && error.code === 'TEMPLATE_ERROR') return false
    throw error
  }
}

/** For templates that refuse a system role: its text leads the first user turn. */
function mergeSystem(turns: readonly ChatTurn[]): ChatTurn[] {
  const [system, ...rest] = turns
  if (system?.role !== 'system') return [...turns]
  const [user, ...others] = rest
  if (user?.role !== 'user') return [{ role: 'user', content: system.content }, ...rest]
  return [{ role: 'user', content: `${system.content}\n\n${user.content}` }, ...others]
}

/** A base model has no turns: the prompt is the text so far, and the model writes on. */
function completer({ controlTexts }: Pick<TokenizerFacts, 'controlTexts'>): PromptBuilder {
  return {
    verdict: {
      present: false,
      ok: false,
      thinking: false,
      system: false,
      mode: 'completion',
      problem: 'This model has no chat template: it is a text completer, and writes on from what you write.',
    },
    stop: [],
    render: (turns) => {
      const text = turns.reduce((all, { role, content }, i) => {
        // A reply follows its text directly; what comes next is a new paragraph.
        return all + (i > 0 && role !== 'assistant' && all !== '' ? '\n\n' : '') + content
      }, '')
      return Promise.resolve(plainPrompt(text, controlTexts))
    },
  }
}

/** A prompt that is a person's text alone: nothing in it becomes a control token. */
export function plainPrompt(text: string, controlTexts: readonly string[]): RenderedPrompt {
  const breaker = makeBreaker(controlTexts, [text])
  return breaker.restore(breaker.broken(text))
}
