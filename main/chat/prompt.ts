/** Turns a conversation into a prompt, in the way that the model's file asks for. */
import type { ChatTemplateVerdict } from '../../contract/model.ts'
import { KigoError } from '../../contract/errors.ts'
import type { Metadata } from '../gguf/types.ts'
import type { RunIsolated } from '../isolated/types.ts'
import { isThoughtMarker } from '../tokenizer/markers.ts'
import type { TokenizerFacts } from '../tokenizer/types.ts'
import { Mark, Markers } from './barriers.ts'
import { renderTemplate } from './template.ts'
import type { ChatTurn, PromptBuilder, RenderedPrompt } from './types.ts'
import { judge, sampleOf, type Render } from './verdict.ts'
import { learnWords, type TokensOf } from './words.ts'

export interface PromptBuilderOptions {
  /** The header; its scalars are enough. */
  metadata: Metadata
  facts: Pick<TokenizerFacts, 'bosText' | 'eosText' | 'controlTexts'>
  /** What the vocabulary makes of a template's own words; left out where only the verdict counts. */
  tokensOf?: TokensOf | undefined
  /** A template in place of the file's own. */
  given?: GivenTemplate | null | undefined
  run: RunIsolated
  signal?: AbortSignal | undefined
  /** What templates are told the time is; tests set it. */
  now?: () => Date
}

export interface GivenTemplate {
  /** Where it comes from, as a sentence begins: "The chat template in my.jinja". */
  name: string
  text: string
}

/** The template that the settings give; null: they give none. */
export function templateOfSettings({ chatTemplate }: { chatTemplate: string }): GivenTemplate | null {
  return chatTemplate.trim() === '' ? null : { name: 'The chat template of the settings', text: chatTemplate }
}

/** What Kigo uses where a file's own template fails, or where it has none and its vocabulary has these markers. */
const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
const CHATML_MARKERS = ['<|im_start|>', '<|im_end|>']

/**
 * Judges the template on a sample conversation. A bad or missing template of a file is a verdict, not an error; one
 * that a person gave and that does not work is TEMPLATE_ERROR.
 */
export async function createPromptBuilder(options: PromptBuilderOptions): Promise<PromptBuilder> {
  const { facts, signal } = options
  const { verdict, source } = await choose(options)
  if (source === null) return completer(verdict, facts.controlTexts)
  const samples = await sampleOf(renderer(options, source), verdict.system, signal)
  const { markers, endTokens, stop } = await learnWords(source, samples, facts, options.tokensOf)
  const render = renderer(options, source, markers)
  return {
    verdict,
    endTokens,
    stop,
    render: (turns, renderOptions) => render(verdict.system ? turns : mergeSystem(turns), renderOptions),
  }
}

/** The same verdict without a tokenizer: for judging a file before anything is loaded. */
export async function templateVerdict(
  metadata: Metadata,
  run: RunIsolated,
  signal?: AbortSignal,
  given?: GivenTemplate | null,
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
    controlTexts: CHATML_MARKERS.filter((text) => Array.isArray(tokens) && tokens.includes(text as never)),
  }
  return (await choose({ metadata, facts, run, signal, given })).verdict
}

/** The template to use, and what is to be said of it; no source: there is none, the model completes text. */
async function choose(
  options: PromptBuilderOptions,
): Promise<{ verdict: ChatTemplateVerdict; source: string | null }> {
  const { metadata, facts, tokensOf, given, signal } = options
  const template = metadata.get('tokenizer.chat_template')
  const present = template !== undefined && template !== ''
  const judged = (source: string): Promise<ChatTemplateVerdict> =>
    judge(source, renderer(options, source), signal)
  if (given) {
    const verdict = await judged(given.text)
    if (verdict.ok) return { verdict: { ...verdict, present, given: true }, source: given.text }
    throw new KigoError('TEMPLATE_ERROR', `${given.name} does not work: ${verdict.problem}`, {
      hint: 'Mend it, give another one, or none: then the model’s own is used.',
    })
  }
  if (!present) {
    const { markers } = (await tokensOf?.(CHATML, [])) ?? { markers: [] }
    const known = [...facts.controlTexts, ...markers]
    return CHATML_MARKERS.every((marker) => known.includes(marker))
      ? { verdict: instead(false, NO_TEMPLATE), source: CHATML }
      : { verdict: COMPLETION, source: null }
  }
  if (typeof template !== 'string')
    return {
      verdict: instead(true, 'The chat template in this file is not text, so Kigo uses ChatML in its place.'),
      source: CHATML,
    }
  const verdict = await judged(template)
  if (verdict.ok) return { verdict, source: template }
  const problem = `The chat template of this file does not work, so Kigo uses ChatML in its place: ${verdict.problem}`
  return { verdict: instead(true, problem), source: CHATML }
}

const NO_TEMPLATE =
  'This model has no chat template. Its vocabulary has the markers of ChatML, so Kigo uses ChatML.'

function instead(present: boolean, problem: string): ChatTemplateVerdict {
  return { present, ok: false, system: true, thinking: false, mode: 'chatml', problem }
}

const COMPLETION: ChatTemplateVerdict = {
  present: false,
  ok: false,
  thinking: false,
  system: false,
  mode: 'completion',
  problem: 'This model has no chat template: it is a text completer, and writes on from what you write.',
}

interface ControlMarkers {
  control: Markers
  /** Those that are no text. They cannot be in a reply, so where they are in one the model wrote them out. */
  silent: Markers
}

const knownMarkers = new WeakMap<readonly string[], ControlMarkers>()

/** Made once a vocabulary, which may have thousands. */
function markersOf(controlTexts: readonly string[]): ControlMarkers {
  const known = knownMarkers.get(controlTexts)
  if (known) return known
  const silent = new Markers(controlTexts.filter((text) => !isThoughtMarker(text)))
  const made = { control: new Markers(controlTexts), silent }
  knownMarkers.set(controlTexts, made)
  return made
}

/** Renders turns with a template; `markers` count as control tokens in it. */
function renderer(options: PromptBuilderOptions, source: string, markers: readonly string[] = []): Render {
  const { facts, run, now } = options
  const { control, silent } = markersOf(facts.controlTexts)
  const all = markers.length === 0 ? control : new Markers([...facts.controlTexts, ...markers])

  return async (turns, { addGenerationPrompt = true, thinking, signal } = {}, milliseconds) => {
    const mark = new Mark(turns.map(({ content }) => content))
    const time = now?.() ?? new Date()
    const rendered = async (marked: (turn: ChatTurn) => string): Promise<RenderedPrompt> => {
      const context = {
        messages: turns.map((turn) => ({ role: turn.role, content: marked(turn) })),
        add_generation_prompt: addGenerationPrompt,
        bos_token: facts.bosText,
        eos_token: facts.eosText,
        ...(thinking === undefined ? {} : { enable_thinking: thinking }),
      }
      const text = await renderTemplate(run, source, context, { now: time, signal, milliseconds })
      return { ...mark.takeOut(text), markers }
    }
    const broken = ({ content }: ChatTurn): string => mark.put(content, all.barriersIn(content))
    const prompt = await rendered((turn) => (turn.role === 'assistant' ? turn.content : broken(turn)))

    const spelled = new Map(
      turns
        .filter(({ role }) => role === 'assistant')
        .map((turn) => [turn, silent.barriersInWhole(turn.content)]),
    )
    if (![...spelled.values()].some((places) => places.length > 0)) return prompt
    // A template sees what the model wrote as it is: thoughts are cut out of it. Marks in the markers that it wrote out
    // show where these went, and count where the template did not mind them.
    const guarded = await rendered((turn) => {
      const places = spelled.get(turn)
      return places ? mark.put(turn.content, places) : broken(turn)
    }).catch((error: unknown) => {
      if (KigoError.from(error).code === 'TEMPLATE_ERROR') return prompt
      throw error
    })
    return guarded.text === prompt.text ? guarded : prompt
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
function completer(verdict: ChatTemplateVerdict, controlTexts: readonly string[]): PromptBuilder {
  const { control } = markersOf(controlTexts)
  return {
    verdict,
    endTokens: [],
    stop: [],
    render: (turns) => {
      const text = turns.reduce((all, { role, content }, i) => {
        // A reply follows its text directly; what comes next is a new paragraph.
        return all + (i > 0 && role !== 'assistant' && all !== '' ? '\n\n' : '') + content
      }, '')
      return Promise.resolve({ text, barriers: control.barriersIn(text) })
    },
  }
}

/** A prompt that is a person's text alone: nothing in it becomes a control token. */
export function plainPrompt(text: string, controlTexts: readonly string[]): RenderedPrompt {
  return { text, barriers: markersOf(controlTexts).control.barriersIn(text) }
}
