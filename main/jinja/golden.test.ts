import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { goldenDir } from '../testing/golden.ts'
import { compileTemplate, TemplateError, TemplateRaised } from './index.ts'

const golden = goldenDir()
const NOW = new Date('2026-01-02T03:04:05')

function read<T>(file: string): T {
  return JSON.parse(readFileSync(`${golden}${file}`, 'utf8')) as T
}

interface Case {
  template: string
  context: number
  text?: string
  raises?: string
}

describe.skipIf(!golden)('small templates give what Jinja2 gives', () => {
  const { contexts, cases } = golden
    ? read<{ contexts: Record<string, unknown>[]; cases: Case[] }>('jinja/cases.json')
    : { contexts: [], cases: [] }

  it.each(cases)('$template', ({ template, context, text, raises }) => {
    const render = (): string =>
      compileTemplate(template).render({ tools: null, documents: null, ...contexts[context] }, NOW)
    if (raises === undefined) expect(render()).toBe(text)
    else if (raises === 'TemplateError') expect(render).toThrow(TemplateRaised)
    else expect(render).toThrow(expect.objectContaining({ kind: raises, line: expect.any(Number) as number }))
    if (raises !== undefined && raises !== 'TemplateError') expect(render).toThrow(TemplateError)
  })
})

interface Golden {
  template: string
  cases: Record<string, { text: string } | { raises: string }>
}

describe.skipIf(!golden)('real templates render as Jinja2 renders them', () => {
  const files = golden ? readdirSync(`${golden}template`).filter((file) => file !== 'conversations.json') : []
  const conversations = golden ? read<Record<string, unknown>>('template/conversations.json') : {}

  it.each(files)('%s', (file) => {
    const { template, cases } = read<Golden>(`template/${file}`)
    const compiled = compileTemplate(template)
    for (const [name, expected] of Object.entries(cases)) {
      const [, conversation, closed, thinking] = /^(.*?)(_closed)?(?:_thinking_(true|false))?$/.exec(
        name,
      ) as RegExpExecArray
      const messages = conversations[conversation as string]
      if (!messages) throw new Error(`no conversation for the case ${name}`)
      const context = {
        messages,
        add_generation_prompt: !closed,
        bos_token: '<BOS>',
        eos_token: '<EOS>',
        ...(thinking ? { enable_thinking: thinking === 'true' } : {}),
      }
      if ('text' in expected) expect(compiled.render(context, NOW), name).toBe(expected.text)
      else
        expect(() => compiled.render(context, NOW), name).toThrow(
          expect.objectContaining({ message: expected.raises }),
        )
    }
  })
})
