import { describe, expect, it, vi } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { ROUTES, type RouteName } from '../../contract/routes.ts'
import { createRouter, type Handlers } from './router.ts'

type Sender = 'page' | 'stranger'

function router(overrides: Record<string, (input: never, sender: Sender) => unknown>) {
  const problems: KigoError[] = []
  const unexpected = vi.fn(() => null)
  const handlers = Object.fromEntries(
    Object.keys(ROUTES).map((name) => [name, overrides[name] ?? unexpected]),
  )
  const dispatch = createRouter<Sender>({
    handlers: handlers as unknown as Handlers<RouteName, Sender>,
    isTrusted: (sender) => sender === 'page',
    checkPath(path) {
      if (path !== '/given.gguf') throw new KigoError('FORBIDDEN')
    },
    onProblem: (error) => problems.push(error),
  })
  return { dispatch, problems, unexpected }
}

describe('the router', () => {
  it('answers with the handler’s data', async () => {
    const { dispatch } = router({ 'chat.get': ({ id }: { id: string }) => ({ id, messages: [] }) })
    expect(await dispatch('page', { route: 'chat.get', input: { id: 'a' } })).toEqual({
      ok: true,
      data: { id: 'a', messages: [] },
    })
  })

  it('lets no other frame in, before it looks at anything', async () => {
    const { dispatch, problems, unexpected } = router({})
    const answer = await dispatch('stranger', { route: 'chat.list', input: null })
    expect(answer).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
    expect(unexpected).not.toHaveBeenCalled()
    expect(problems).toHaveLength(1)
  })

  it('asks for no menu where a window cannot be', async () => {
    const { dispatch, unexpected } = router({})
    for (const at of [1e308, -1e308, 2 ** 31, Number.NaN])
      for (const input of [
        { x: at, y: 0 },
        { x: 0, y: at },
      ])
        expect(await dispatch('page', { route: 'app.menu', input })).toMatchObject({
          ok: false,
          error: { code: 'INVALID_INPUT' },
        })
    expect(unexpected).not.toHaveBeenCalled()
  })

  it.each(['model.inspect', 'model.load', 'model.reveal', 'model.forget'])(
    'hands no file to %s that the page may not name',
    async (route) => {
      const { dispatch, problems, unexpected } = router({})
      const ask = (path: string) => dispatch('page', { route, input: { path } })
      expect(await ask('/etc/passwd')).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
      expect(unexpected).not.toHaveBeenCalled()
      expect(problems).toHaveLength(1)
      expect(await ask('/given.gguf')).toEqual({ ok: true, data: null })
    },
  )

  it('knows every route that takes a path', () => {
    const taking = Object.entries(ROUTES).filter(
      ([, { input }]) => input.safeParse({ path: '/given.gguf' }).success && !input.safeParse({}).success,
    )
    expect(taking.map(([name]) => name)).toEqual([
      'model.inspect',
      'model.load',
      'model.reveal',
      'model.forget',
    ])
  })

  it.each([
    ['nothing', undefined],
    ['text', 'chat.list'],
    ['no route', { input: null }],
    ['an unknown route', { route: 'chat.eat', input: null }],
    ['a name of Object’s prototype', { route: 'constructor', input: null }],
    ['no input where one is needed', { route: 'chat.get' }],
    ['an input of another shape', { route: 'chat.get', input: { id: 7 } }],
    ['a number out of its range', { route: 'settings.chat', input: { temperature: -1 } }],
    ['an empty message', { route: 'chat.send', input: { id: 'a', text: '' } }],
  ])('refuses %s as INVALID_INPUT and calls no handler', async (_what, message) => {
    const { dispatch, problems, unexpected } = router({})
    expect(await dispatch('page', message)).toMatchObject({ ok: false, error: { code: 'INVALID_INPUT' } })
    expect(unexpected).not.toHaveBeenCalled()
    expect(problems).toMatchObject([{ code: 'INVALID_INPUT' }])
  })

  it('says what a request is, and which one there is not', async () => {
    const { dispatch } = router({})
    expect(await dispatch('page', 'chat.list')).toMatchObject({
      error: { message: 'A request is {route, input}.' },
    })
    expect(await dispatch('page', { route: 'chat.'.padEnd(999, 'x'), input: null })).toMatchObject({
      error: { message: 'There is no such request.', data: { route: 'chat.'.padEnd(100, 'x') } },
    })
  })

  it('names the field that is wrong', async () => {
    const { dispatch } = router({})
    const refusal = async (route: RouteName, input: unknown) => {
      const answer = await dispatch('page', { route, input })
      return answer.ok ? null : answer.error
    }
    expect((await refusal('settings.chat', { topP: 2 }))?.message).toMatch(/^settings\.chat: topP: .*1\.$/)
    expect((await refusal('chat.get', 7))?.message).toMatch(/^chat\.get: .*object.*\.$/)
    const nested = await refusal('model.load', { path: '/x', settings: { threads: -1 } })
    expect(nested?.message).toMatch(/^model\.load: settings\.threads: /)
    expect(nested?.data).toEqual({
      route: 'model.load',
      issues: [{ path: 'settings.threads', message: expect.stringContaining('>=1') }],
    })
  })

  it('names ten fields at most', async () => {
    const { dispatch } = router({})
    const answer = await dispatch('page', { route: 'settings.chat', input: { stop: Array(16).fill('') } })
    const { issues } = (answer.ok ? {} : answer.error.data) as { issues: { path: string }[] }
    expect(issues.map(({ path }) => path)).toEqual(Array.from({ length: 10 }, (_, i) => `stop.${i}`))
  })

  it('passes expected failures on as they are', async () => {
    const { dispatch, problems } = router({
      'model.load': () => {
        throw new KigoError('MODEL_TRUNCATED', 'It ends early.', { hint: 'Again.', data: { missing: 5 } })
      },
    })
    expect(await dispatch('page', { route: 'model.load', input: { path: '/given.gguf' } })).toEqual({
      ok: false,
      error: { code: 'MODEL_TRUNCATED', message: 'It ends early.', hint: 'Again.', data: { missing: 5 } },
    })
    expect(problems).toEqual([])
  })

  it('turns whatever else is thrown into INTERNAL and reports it', async () => {
    const { dispatch, problems } = router({
      'chat.list': () => Promise.reject(new TypeError('x is undefined')),
    })
    const answer = await dispatch('page', { route: 'chat.list', input: null })
    expect(answer).toMatchObject({
      ok: false,
      error: { code: 'INTERNAL', data: { message: 'x is undefined' } },
    })
    expect(problems).toHaveLength(1)
  })

  it('passes on an error without data as one without', async () => {
    const { dispatch } = router({
      'model.load': () => {
        throw new KigoError('CANCELLED')
      },
    })
    const answer = await dispatch('page', { route: 'model.load', input: { path: '/given.gguf' } })
    expect(answer.ok || answer.error).toEqual(new KigoError('CANCELLED').toData())
  })

  it('answers also where an error carries what cannot cross', async () => {
    const { dispatch } = router({
      'chat.list': () => {
        throw new KigoError('INTERNAL', 'x', { data: { big: 1n } })
      },
    })
    const answer = await dispatch('page', { route: 'chat.list', input: null })
    expect(answer).toMatchObject({ ok: false, error: { code: 'INTERNAL', message: 'x' } })
    expect(() => structuredClone(answer)).not.toThrow()
  })
})
