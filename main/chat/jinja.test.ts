import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { goldenDir } from '../testing/golden.ts'
import { renderJinja, TemplateRaised, type TemplateContext } from './jinja.ts'

const NOW = new Date('2026-01-02T03:04:05')
const render = (template: string, context: Record<string, unknown> = {}): string =>
  renderJinja(
    template,
    {
      messages: [],
      add_generation_prompt: true,
      bos_token: '<s>',
      eos_token: '</s>',
      ...context,
    } as TemplateContext,
    NOW,
  )

const golden = goldenDir()

interface Golden {
  template: string
  cases: Record<string, { text: string } | { raises: string }>
}

describe.skipIf(!golden)('real templates render as Jinja2 renders them', () => {
  const read = <T>(file: string): T => JSON.parse(readFileSync(`${golden}template/${file}`, 'utf8')) as T
  const files = golden ? readdirSync(`${golden}template`).filter((file) => file !== 'conversations.json') : []
  const conversations = golden ? read<Record<string, TemplateContext['messages']>>('conversations.json') : {}

  it.each(files)('%s', (file) => {
    const { template, cases } = read<Golden>(file)
    for (const [name, expected] of Object.entries(cases)) {
      const [, conversation, closed, thinking] = /^(.*?)(_closed)?(?:_thinking_(true|false))?$/.exec(
        name,
      ) as RegExpExecArray
      const messages = conversations[conversation as string]
      if (!messages) throw new Error(`no conversation for the case ${name}`)
      let rendered: { text: string } | { raises: string }
      try {
        const context = {
          messages,
          add_generation_prompt: !closed,
          bos_token: '<BOS>',
          eos_token: '<EOS>',
          ...(thinking ? { enable_thinking: thinking === 'true' } : {}),
        }
        rendered = { text: renderJinja(template, context, NOW) }
      } catch (error) {
        rendered = { raises: (error as Error).message }
      }
      expect(rendered, name).toEqual(expected)
    }
  })
})

describe('Python where the library is JavaScript', () => {
  it.each([
    [
      "{{ '  a\n'.strip() }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'xxaxx'.rstrip('x') }}|{{ '\ufeffa ' | trim }}",
      'a|axx|xxa|\ufeffa',
    ],
    ['{% for x in nothing %}{{ x }}{% else %}none{% endfor %}{{ nothing | length }}', 'none0'],
    ['{% for c in "äö" %}{{ c }}.{% endfor %}', 'ä.ö.'],
    [
      '{% set d = {1: "a", 2: "b"} %}{{ d[2] }}{% for k, v in d | dictsort %}{{ k + 1 }}{{ v }}{% endfor %}{{ 1 in d }}',
      'b2a3bTrue',
    ],
    [
      '{{ none }} {{ true }} {{ [1, "a", none] }} {{ none | trim }} {{ none | upper }}',
      "None True [1, 'a', None] None NONE",
    ],
    ['{{ "{} and {1} {name}".format("a", "b", name="c") }}', 'a and b c'],
    [
      '{{ 1 == "1" }} {{ [1] == [1] }} {{ none == nothing }} {{ none in [1, none] }} {{ -1 % 3 }}',
      'False True False True 2',
    ],
    ['{{ 1 ~ none ~ true }}', '1NoneTrue'],
    ['{{ strftime_now("%d %B %Y %-d %b") }}', '02 January 2026 2 Jan'],
  ])('%s', (template, text) => {
    expect(render(template)).toBe(text)
  })

  it('an attribute of something undefined raises instead of vanishing', () => {
    expect(() => render('{{ missing.attribute }}')).toThrow("'missing' is undefined")
    expect(() => render('{{ "a" + missing }}')).toThrow("'missing' is undefined")
    expect(render('{{ missing }}{{ missing is defined }}')).toBe('False')
  })

  it('raise_exception is told from other errors', () => {
    expect(() => render('{{ raise_exception("no system") }}')).toThrow(TemplateRaised)
    expect(() => render('{{ 1 + "a" }}')).not.toThrow(TemplateRaised)
    expect(() => render('{% if %}')).toThrow()
  })
})
