/** Entry of the child that renders chat templates: see template.ts for the parent's side. */
import { compileTemplate, TemplateError, TemplateRaised, type Template } from '../jinja/index.ts'
import { serve } from './serve.ts'

export interface TemplateContext {
  messages: { role: string; content?: unknown }[]
  add_generation_prompt: boolean
  bos_token: string
  eos_token: string
  /** Left out: undefined, as transformers has it where nobody asks. */
  enable_thinking?: boolean
}

export interface TemplateInput {
  template: string
  context: TemplateContext
  /** Local time without zone, '2026-01-02T03:04:05': the child may not know the parent's zone. */
  now: string
}

export type TemplateAnswer = { text: string } | { raised: string }

/** A conversation is rendered many times, and by two templates at most: the model's and the one before. */
const KEPT = 2
const compiled = new Map<string, Template>()

function templateOf(source: string): Template {
  const template = compiled.get(source) ?? compileTemplate(source)
  compiled.delete(source)
  compiled.set(source, template)
  const [oldest] = compiled.keys()
  if (compiled.size > KEPT && oldest !== undefined) compiled.delete(oldest)
  return template
}

/** What the transformers library passes where there are none of them. */
const NOTHING = { tools: null, documents: null }

/** A loop over one of them by its bare name: `{% for tool in tools %}`. */
const BARE_LOOP = /\sin\s+(tools|documents)\s*(?:[-+]?%\}|if\s|recursive\s)/g

/**
 * With `tools` and `documents` as None. Some templates, made for tools alone, loop over them without asking whether
 * there are any. They are rendered as if nobody had named what they loop over, rather than not at all.
 */
function render({ template, context, now }: TemplateInput): string {
  const compiled = templateOf(template)
  const time = new Date(now)
  try {
    return compiled.render({ ...NOTHING, ...context }, time)
  } catch (error) {
    if (!(error instanceof TemplateError) || error.message !== "'NoneType' object is not iterable")
      throw error
    const loopedOver = new Set([...template.matchAll(BARE_LOOP)].map(([, name]) => name))
    if (loopedOver.size === 0) throw error
    const nothing = Object.entries(NOTHING).filter(([name]) => !loopedOver.has(name))
    try {
      return compiled.render({ ...Object.fromEntries(nothing), ...context }, time)
    } catch {
      throw error
    }
  }
}

/** More than a sentence of it is for nobody. */
const MOST_CHARACTERS = 500

function cut(message: string): string {
  const start = [...message.slice(0, 2 * MOST_CHARACTERS)].slice(0, MOST_CHARACTERS).join('')
  return start.length < message.length ? `${start}…` : message
}

serve((raw): TemplateAnswer => {
  try {
    return { text: render(raw as TemplateInput) }
  } catch (error) {
    if (error instanceof TemplateRaised) return { raised: cut(error.message) }
    if (error instanceof TemplateError)
      throw new Error(
        cut(error.line === undefined ? error.message : `line ${error.line}: ${error.message}`),
        { cause: error },
      )
    throw error
  }
})
