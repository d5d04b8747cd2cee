import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, PATIENCE } from './kigo.ts'
import { Copies, realModel } from './models.ts'

const copies = new Copies()
let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start()
})
afterAll(async () => {
  await kigo.close()
  copies.delete()
})

const alert = (text: string | RegExp) => kigo.page.getByRole('alert').filter({ hasText: text }).first()

describe('a file that is dropped on the window', () => {
  it('is shown as a card before it loads, then loads where it lies', async () => {
    const file = copies.of('smollm2', 'Modell – 俳句.gguf')
    await kigo.drop(file)
    const load = kigo.page.getByRole('button', { name: /^Load/ }).first()
    await load.waitFor()
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'none' })
    await load.click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'loaded', model: { path: file } })
    await kigo.ask('settings.chat', { maxTokens: 6 })
    await kigo.say('Hello!')
    await kigo.finished()
    expect((await kigo.lastReply.innerText()).length).toBeGreaterThan(2)
  })

  it.each([
    [
      'that is no model',
      'MODEL_NOT_GGUF',
      () => write('notes.gguf', 'Just some words, no model at all, in a file.'),
    ],
    ['that is cut short', 'MODEL_TRUNCATED', () => cutShort('short.gguf')],
  ])('%s is refused in words, and the model in use stays', async (_what, code, make) => {
    const file = make()
    await kigo.drop(file)
    await kigo.page.getByRole('alert').first().waitFor()
    // The keyboard goes on from there.
    const focused = () => kigo.page.evaluate(() => document.activeElement?.textContent)
    await expect.poll(focused).toBe('Open another file')
    expect(await kigo.request('model.load', { path: file })).toMatchObject({ ok: false, error: { code } })
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'loaded' })
  })
})

describe('a model whose file', () => {
  it.each([
    ['is changed', 'MODEL_FILE_CHANGED', (file: string) => appendFileSync(file, 'x')],
    ['is cut short', 'MODEL_FILE_CHANGED', (file: string) => truncateSync(file, 50_000_000)],
    ['is deleted', 'MODEL_NOT_FOUND', (file: string) => rmSync(file)],
  ])('%s while it is loaded ends in words and is let go; the way out works', async (what, code, harm) => {
    const file = copies.of('smollm2', `${what}.gguf`)
    await kigo.ask('model.load', { path: file })
    await kigo.menu('New chat')
    harm(file)
    await kigo.say('Are you there?')
    await expect
      .poll(() => kigo.ask('model.state'), { timeout: PATIENCE })
      .toMatchObject({ status: 'failed', error: { code } })
    const [newest] = await kigo.ask('chat.list')
    const conversation = await kigo.ask('chat.get', { id: newest?.id ?? '' })
    expect(conversation.messages.at(-1)).toMatchObject({ status: 'failed', error: { code } })
    await alert(/file/i).waitFor()

    // The way out: another file, and the conversation goes on.
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.loaded()
    await kigo.say('And now?')
    await kigo.finished()
    expect((await kigo.ask('chat.get', { id: newest?.id ?? '' })).messages.at(-1)).toMatchObject({
      status: 'done',
    })
  })
})

describe('loading', () => {
  it('is refused before it begins where it cannot fit, with the context that would', async () => {
    const answer = await kigo.request('model.load', {
      path: realModel('smollm2'),
      settings: { contextLength: 10_000_000 },
    })
    expect(answer).toMatchObject({
      ok: false,
      error: { code: expect.stringMatching(/OUT_OF_MEMORY|INVALID_INPUT/) },
    })
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'loaded' })
  })

  it('with a small context refuses a prompt that is longer, and says so at the message', async () => {
    await kigo.ask('model.load', { path: realModel('smollm2'), settings: { contextLength: 64 } })
    await kigo.loaded()
    await kigo.menu('New chat')
    await kigo.say('word '.repeat(200))
    await alert(/context/i).waitFor()
    const [newest] = await kigo.ask('chat.list')
    expect((await kigo.ask('chat.get', { id: newest?.id ?? '' })).messages.at(-1)).toMatchObject({
      status: 'failed',
      error: { code: 'PROMPT_TOO_LONG' },
    })
    await kigo.say('Hi')
    await kigo.finished()
    expect((await kigo.ask('chat.get', { id: newest?.id ?? '' })).messages.at(-1)).toMatchObject({
      status: 'done',
    })
  })

  it('twice at once is refused with MODEL_BUSY', async () => {
    await kigo.grant(realModel('smollm2'))
    const answers = await kigo.page.evaluate(
      (path) => Promise.all([1, 2].map(() => window.kigo.request('model.load', { path }))),
      realModel('smollm2'),
    )
    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.error.code)).toSorted()).toEqual([
      'MODEL_BUSY',
      'ok',
    ])
  })

  it('can be cancelled, and nothing is loaded then', async () => {
    await kigo.ask('model.unload')
    await kigo.grant(realModel('gemma3'))
    const answer = await kigo.page.evaluate(async (path) => {
      const loading = window.kigo.request('model.load', { path })
      await window.kigo.request('model.cancelLoad', null)
      return loading
    }, realModel('gemma3'))
    expect(answer).toMatchObject({ ok: false, error: { code: 'CANCELLED' } })
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'none', lastPath: realModel('smollm2') })
  })

  it('a base model completes text, and says that it does', async () => {
    const state = await kigo.ask('model.load', { path: realModel('gemma3') })
    expect(state).toMatchObject({
      status: 'loaded',
      model: { inspection: { chatTemplate: { mode: 'completion' } } },
    })
    await kigo.ask('settings.chat', { temperature: 0, maxTokens: 8 })
    await kigo.menu('New chat')
    await kigo.say('one, two, three, four, five,')
    await kigo.finished()
    const [newest] = await kigo.ask('chat.list')
    const reply = (await kigo.ask('chat.get', { id: newest?.id ?? '' })).messages.at(-1)
    expect(reply?.text).toContain('six')
  })
})

function write(name: string, text: string): string {
  const file = copies.at(name)
  writeFileSync(file, text)
  return file
}

function cutShort(name: string): string {
  const file = copies.at(name)
  writeFileSync(file, readFileSync(realModel('smollm2')).subarray(0, 20_000_000))
  return file
}
