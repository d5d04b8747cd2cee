import { describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import type { ChatTurn } from './types.ts'
import { judge, sampleOf, type Render } from './verdict.ts'

type Options = NonNullable<Parameters<Render>[1]>

/** Renders as `template` says, and notes what it was asked. */
function rendering(template: (turns: readonly ChatTurn[], options: Options) => string) {
  const calls: { roles: string; options: Options; milliseconds: number | undefined }[] = []
  const render: Render = (turns, options = {}, milliseconds) => {
    calls.push({ roles: turns.map(({ role }) => role).join(' '), options, milliseconds })
    return new Promise((resolve) => {
      resolve({ text: template(turns, options), barriers: [] })
    })
  }
  return { calls, render }
}

const all = (turns: readonly ChatTurn[]): string =>
  turns.map(({ role, content }) => `${role}: ${content}\n`).join('')

const without = (role: string) => (turns: readonly ChatTurn[]) =>
  all(turns.filter((turn) => turn.role !== role))

/** A template that fails; `reason` as template.ts gives it, undefined where it raised itself. */
function fails(message: string, reason?: string): never {
  throw new KigoError('TEMPLATE_ERROR', message, {
    data: reason === undefined ? { raised: 'x' } : { reason },
  })
}

const hasSystem = (turns: readonly ChatTurn[]): boolean => turns.some(({ role }) => role === 'system')

describe('the verdict on a template', () => {
  it('is that it works where everything said comes out', async () => {
    const { calls, render } = rendering(all)
    expect(await judge('', render, undefined)).toEqual({
      present: true,
      ok: true,
      system: true,
      thinking: false,
      mode: 'template',
    })
    expect(calls.map(({ roles }) => roles)).toEqual(['system user assistant user'])
  })

  it('is that it has no system role where it drops or refuses one alone', async () => {
    for (const template of [
      without('system'),
      (turns: readonly ChatTurn[]) => (hasSystem(turns) ? fails('no system') : all(turns)),
      (turns: readonly ChatTurn[]) => (hasSystem(turns) ? fails('no system', 'failed') : all(turns)),
    ]) {
      const { calls, render } = rendering(template)
      expect(await judge('', render, undefined)).toMatchObject({ ok: true, system: false })
      expect(calls.map(({ roles }) => roles)).toEqual(['system user assistant user', 'user assistant user'])
    }
  })

  it.each([
    ['user', 'it leaves out what the user said.'],
    ['assistant', 'it leaves out what the model said.'],
  ])('names who is left out: %s', async (role, problem) => {
    expect(await judge('', rendering(without(role)).render, undefined)).toEqual({
      present: true,
      ok: false,
      system: false,
      thinking: false,
      mode: 'template',
      problem,
    })
  })

  it('is what the template fails with, without a system prompt', async () => {
    const { render } = rendering((turns) => fails(hasSystem(turns) ? 'first' : 'second'))
    expect(await judge('', render, undefined)).toMatchObject({ ok: false, problem: 'second' })
  })

  it.each(['time', 'crash', 'output'])('is found once where a template runs out of %s', async (reason) => {
    const { calls, render } = rendering(() => fails('too much', reason))
    expect(await judge('<think>', render, undefined)).toEqual({
      present: true,
      ok: false,
      system: false,
      thinking: false,
      mode: 'template',
      problem: 'too much',
    })
    expect(calls).toHaveLength(1)
  })

  it('is none where something else fails: that reaches the caller', async () => {
    const cancelled = rendering(() => {
      throw new KigoError('CANCELLED')
    })
    await expect(judge('', cancelled.render, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
    const broken = rendering(() => {
      throw new TypeError('broken')
    })
    await expect(judge('', broken.render, undefined)).rejects.toThrow('broken')
  })

  it('takes two seconds for each rendering at most, and may be cancelled', async () => {
    const { signal } = new AbortController()
    const { calls, render } = rendering((turns) => without('system')(turns))
    await judge('enable_thinking', render, signal)
    await sampleOf(render, true, signal)
    expect(calls).toHaveLength(6)
    for (const call of calls) {
      expect(call.milliseconds).toBe(2_000)
      expect(call.options.signal).toBe(signal)
    }
    await judge('enable_thinking', render, undefined)
    await sampleOf(render, true, undefined)
    for (const call of calls.slice(6)) expect(call.options).not.toHaveProperty('signal')
  })
})

describe('thinking', () => {
  it.each([
    ...['<think>', '</think>', '<seed:think>', '</seed:think>', '[THINK]', '[/THINK]'],
    ...['<|START_THINKING|>', '<|END_THINKING|>', '<|channel|>analysis'],
  ])('is known of a template that writes %s', async (marker) => {
    const { calls, render } = rendering(all)
    expect(await judge(`a ${marker} b`, render, undefined)).toMatchObject({ thinking: true })
    expect(calls).toHaveLength(1)
  })

  it('is not known of one that only speaks of it', async () => {
    for (const template of ['think', 'THINK', '<|channel|>final', '[thinking]'])
      expect(await judge(template, rendering(all).render, undefined)).toMatchObject({ thinking: false })
  })

  const switched = (template: (thinking: boolean | undefined) => string) => {
    const { calls, render } = rendering((turns, { thinking }) => all(turns) + template(thinking))
    return { calls, verdict: judge('{{ enable_thinking }}', render, undefined) }
  }

  it('is known of one whose switch changes the prompt', async () => {
    const { calls, verdict } = switched((thinking) => String(thinking))
    expect(await verdict).toMatchObject({ ok: true, thinking: true })
    expect(calls.slice(1)).toMatchObject([
      { roles: 'user', options: { thinking: true } },
      { roles: 'user', options: { thinking: false } },
    ])
  })

  it('is none where the switch changes nothing, or is not there', async () => {
    expect(await switched(() => '').verdict).toMatchObject({ ok: true, thinking: false })
    const { render } = rendering((turns, { thinking }) => all(turns) + String(thinking))
    expect(await judge('no switch', render, undefined)).toMatchObject({ ok: true, thinking: false })
  })

  it('is none where the switch makes the template fail, and all else that fails reaches the caller', async () => {
    expect(
      await switched((thinking) => (thinking === undefined ? '' : fails('no switch'))).verdict,
    ).toMatchObject({ ok: true, thinking: false })
    const cancelled = switched((thinking) => {
      if (thinking === undefined) return ''
      throw new KigoError('CANCELLED')
    })
    await expect(cancelled.verdict).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

describe('the sample', () => {
  it('goes on after the reply, and ends with it; what was said is told in order', async () => {
    const { calls, render } = rendering((turns, { addGenerationPrompt }) => {
      return `${all(turns)}${addGenerationPrompt === true ? 'open' : 'closed'}`
    })
    const samples = await sampleOf(render, true, undefined)
    expect(calls.map(({ roles }) => roles)).toEqual(['system user assistant user', 'system user assistant'])
    expect(samples).toHaveLength(2)
    for (const [i, { text, said, reply }] of samples.entries()) {
      expect(new Set(said).size).toBe(said.length)
      expect(said).toHaveLength(4 - i)
      expect(said[2]).toBe(reply)
      expect(text.endsWith(i === 0 ? 'open' : 'closed')).toBe(true)
      for (const content of said) expect(text).toContain(`: ${content}\n`)
      // Each is found by itself: none stands in another.
      for (const content of said) expect(said.filter((other) => other.includes(content))).toEqual([content])
    }
  })

  it('has no system prompt for a template without that role', async () => {
    const { calls, render } = rendering(all)
    await sampleOf(render, false, undefined)
    expect(calls.map(({ roles }) => roles)).toEqual(['user assistant user', 'user assistant'])
  })

  it('is one text where a template refuses a conversation that ends with a reply', async () => {
    const { render } = rendering((turns, { addGenerationPrompt }) =>
      addGenerationPrompt === true ? all(turns) : fails('ends with a reply'),
    )
    expect(await sampleOf(render, false, undefined)).toHaveLength(1)
    const cancelled = rendering(() => {
      throw new KigoError('CANCELLED')
    })
    await expect(sampleOf(cancelled.render, false, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})
