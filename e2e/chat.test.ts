import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, PATIENCE } from './kigo.ts'
import { realModel } from './models.ts'

const model = realModel('smollm2')
const LONG = 'Write a long story about a lighthouse keeper, a storm and a lost ship.'

let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start({ args: [model] })
  await kigo.loaded()
})
afterAll(() => kigo.close())

const lastMessage = async () => {
  const [newest] = await kigo.ask('chat.list')
  if (!newest) throw new Error('There is no conversation')
  return (await kigo.ask('chat.get', { id: newest.id })).messages.at(-1)
}

describe('a model given on the command line', () => {
  it('is loaded where it lies, and remembered', async () => {
    const state = await kigo.ask('model.state')
    expect(state).toMatchObject({ status: 'loaded', model: { path: model, device: 'cpu' } })
    expect(await kigo.ask('model.recents')).toMatchObject([
      { path: model, exists: true, quantization: 'Q4_1' },
    ])
  })

  it('has its name in the title bar', async () => {
    const state = await kigo.ask('model.state')
    if (state.status !== 'loaded') throw new Error(state.status)
    await kigo.page.getByRole('banner').getByText(state.model.inspection.name).first().waitFor()
  })
})

describe('a conversation', () => {
  it('shows the reply while it is written: the text grows', async () => {
    await kigo.ask('settings.chat', { temperature: 0.8, seed: 1, maxTokens: 160 })
    // Looked at inside the page, which sees each change of its own.
    const sizes = kigo.page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const lengths = new Set<number>()
          new MutationObserver((_changes, observer) => {
            const reply = Array.from(document.querySelectorAll('article[aria-label="Assistant"]')).at(-1)
            if (reply?.getAttribute('aria-busy') === 'true') lengths.add(reply.textContent.length)
            if (reply?.getAttribute('aria-busy') !== 'false') return
            observer.disconnect()
            resolve(lengths.size)
          }).observe(document.body, {
            ...{ subtree: true, childList: true, characterData: true },
            attributeFilter: ['aria-busy'],
          })
        }),
    )
    await kigo.say(LONG)
    await kigo.finished()
    expect(await sizes).toBeGreaterThan(5)
    const message = await lastMessage()
    expect(message).toMatchObject({
      role: 'assistant',
      status: 'done',
      reason: 'length',
      stats: { tokens: 160, seed: 1 },
    })
    const shown = (await kigo.lastReply.innerText()).replaceAll(/\s+/g, ' ')
    expect(shown).toContain(message?.text.trim().replaceAll(/\s+/g, ' ').slice(0, 200))
  })

  it('computes only the new tokens of a second turn', async () => {
    await kigo.ask('settings.chat', { maxTokens: 8 })
    await kigo.say('And how does it end?')
    await kigo.finished()
    const stats = (await lastMessage())?.stats
    expect(stats?.cachedTokens).toBeGreaterThan(160)
    expect(stats?.promptTokens).toBeLessThan(40)
  })

  it('stops when asked to, keeps its words, and goes on afterwards', async () => {
    await kigo.ask('settings.chat', { maxTokens: null })
    await kigo.say(LONG)
    await expect
      .poll(() => kigo.lastReply.innerText().then((text) => text.length), { timeout: PATIENCE })
      .toBeGreaterThan(40)
    await kigo.stop.click()
    await kigo.finished()
    const message = await lastMessage()
    expect(message).toMatchObject({ status: 'done', reason: 'cancelled' })
    expect(message?.text.length).toBeGreaterThan(20)
  })

  it('is stopped by Escape as well', async () => {
    await kigo.say(LONG)
    await kigo.stop.waitFor()
    await kigo.page.keyboard.press('Escape')
    await kigo.finished()
    expect(await lastMessage()).toMatchObject({ reason: 'cancelled' })
  })

  it('gives the same answer twice at temperature 0', async () => {
    await kigo.ask('settings.chat', { temperature: 0, seed: null, maxTokens: 40 })
    const answers: (string | undefined)[] = []
    for (let turn = 0; turn < 2; turn++) {
      await kigo.menu('New chat')
      await expect.poll(() => kigo.replies.count()).toBe(0)
      await kigo.say('Name three colours.')
      await kigo.finished()
      answers.push((await lastMessage())?.text)
    }
    expect(answers[0]?.length).toBeGreaterThan(5)
    expect(answers[1]).toBe(answers[0])
  })

  it('goes on being written through a reload of the page, and loses nothing', async () => {
    await kigo.ask('settings.chat', { temperature: 0.8, seed: 7, maxTokens: 2000 })
    await kigo.menu('New chat')
    await kigo.say(LONG)
    await expect
      .poll(() => kigo.lastReply.innerText().then((text) => text.length), { timeout: PATIENCE })
      .toBeGreaterThan(40)
    await kigo.page.reload()
    await kigo.lastReply.waitFor()
    expect(await lastMessage()).toMatchObject({ status: 'streaming' })
    const length = async () => (await kigo.lastReply.innerText()).length
    const afterReload = await length()
    await expect.poll(length).toBeGreaterThan(afterReload + 40)
    await kigo.stop.click()
    await kigo.finished()
    const message = await lastMessage()
    expect(message).toMatchObject({ status: 'done', reason: 'cancelled' })
    const squeezed = (text: string) => text.replaceAll(/\s+/g, '')
    const shown = squeezed(await kigo.lastReply.innerText())
    expect(shown).toContain(squeezed(message?.text ?? '?'))
  })

  it('knows how full the context is', async () => {
    const [newest] = await kigo.ask('chat.list')
    const id = newest?.id ?? ''
    const usage = await kigo.ask('chat.usage', { id, draft: 'One more thing, then.' })
    expect(usage?.nCtx).toBeGreaterThan(1000)
    const stats = (await lastMessage())?.stats
    const said = (stats?.cachedTokens ?? 0) + (stats?.promptTokens ?? 0) + (stats?.tokens ?? 0)
    expect(usage?.used).toBeGreaterThanOrEqual(said)
    expect(usage?.used).toBeLessThan(said + 16) // the markers that close a turn
    expect(usage?.draft).toBeGreaterThan(5)
    expect(usage?.draft).toBeLessThan(40)
  })

  it('is listed, and deleted', async () => {
    const before = await kigo.ask('chat.list')
    expect(before.length).toBeGreaterThanOrEqual(4)
    const last = before.at(-1)
    await kigo.ask('chat.delete', { id: last?.id ?? '' })
    const after = await kigo.ask('chat.list')
    expect(after.map(({ id }) => id)).not.toContain(last?.id)
  })
})

describe('the composer', () => {
  it('begins each paragraph on the side that its letters ask for', async () => {
    const direction = () => kigo.message.evaluate((field) => getComputedStyle(field).direction)
    const apart = () => kigo.message.evaluate((field) => getComputedStyle(field).unicodeBidi)
    await kigo.message.fill('שלום, Kigo\nAnd in English')
    expect([await direction(), await apart()]).toEqual(['rtl', 'plaintext'])
    await kigo.message.fill('Hello – “Kigo” 俳句\n🏮')
    expect(await direction()).toBe('ltr')
    await kigo.message.fill('')
  })
})

describe('the settings', () => {
  it('take no more threads than there are processors, and say how many that is', async () => {
    const most = availableParallelism()
    await kigo.page.keyboard.press('Control+,')
    const threads = kigo.page.getByRole('spinbutton', { name: 'Threads', exact: true })
    await threads.fill('5000')
    await kigo.page.getByText(`${most.toLocaleString('en-US')} or less.`).waitFor()
    await threads.press('Enter')
    expect(await threads.inputValue()).toBe('')
    await threads.fill(String(most))
    await threads.press('Enter')
    await expect.poll(async () => (await kigo.ask('app.info')).loadSettings.threads).toBe(most)
    await kigo.page.getByRole('button', { name: 'Reset Threads' }).click()
    await expect.poll(async () => (await kigo.ask('app.info')).loadSettings.threads).toBe(null)
    await kigo.page.keyboard.press('Control+,')
  })
})

describe('the context length of the settings', () => {
  it('is the one of the model’s card, and of the load from there', async () => {
    await kigo.page.keyboard.press('Control+,')
    const length = kigo.page.getByRole('spinbutton', { name: 'Context length', exact: true })
    const card = kigo.page.getByRole('region', { name: 'Models' })
    for (const tokens of ['1024', '2048']) {
      await length.fill(tokens)
      // At once: the card may be on screen before the setting is saved.
      await kigo.menu('Models')
      await expect.poll(() => length.getAttribute('placeholder')).toBe(Number(tokens).toLocaleString('en-US'))
      await card.getByRole('button', { name: 'Reload', exact: true }).click()
      await expect.poll(() => kigo.ask('model.state')).toMatchObject({ model: { nCtx: Number(tokens) } })
      await kigo.loaded()
      await length.waitFor()
    }
    await kigo.page.getByRole('button', { name: 'Reset Context length' }).click()
    await expect.poll(async () => (await kigo.ask('app.info')).loadSettings.contextLength).toBe(null)
    await kigo.page.keyboard.press('Control+,')
    await kigo.ask('model.load', { path: model })
    await kigo.loaded()
  })
})

describe('a reply in another conversation', () => {
  it('is ended by the way out of the refusal, which gives the focus back to the message that waits', async () => {
    await kigo.ask('settings.chat', { maxTokens: null })
    await kigo.menu('New chat')
    await kigo.say(LONG)
    await kigo.menu('New chat')
    await kigo.message.fill('Hello')
    await kigo.message.press('Enter')
    await kigo.page.getByRole('button', { name: 'End what runs' }).click()
    await expect.poll(() => kigo.page.getByRole('alert').count()).toBe(0)
    expect((await kigo.ask('chat.list')).some(({ streaming }) => streaming)).toBe(false)
    const focused = () => kigo.message.evaluate((field) => field === document.activeElement)
    await expect.poll(focused).toBe(true)
    expect(await kigo.message.inputValue()).toBe('Hello')
    await kigo.message.fill('')
  })
})

describe('the context meter', () => {
  it('grows with the reply and does not fall back when that ends', async () => {
    await kigo.ask('settings.chat', { maxTokens: 80 })
    await kigo.page.evaluate(() => {
      const seen: number[] = []
      ;(window as unknown as Record<string, unknown>)['meter'] = seen
      new MutationObserver(() => {
        const words = document.querySelector('.ctx')?.textContent.replaceAll(',', '') ?? ''
        const [, used = 0, adds = 0] = /(\d+)(?: \+ (\d+))? of/.exec(words) ?? []
        if (document.querySelector('[aria-busy="true"]') || seen.length > 0)
          seen.push(Number(used) + Number(adds))
      }).observe(document.body, { subtree: true, childList: true, characterData: true })
    })
    await kigo.menu('New chat')
    await kigo.say(LONG)
    await kigo.finished()
    // Counted anew: the whole reply is used, and nothing is added.
    await expect.poll(() => kigo.page.locator('.ctx').innerText()).toMatch(/^\d{3,} of/)
    const seen = await kigo.page.evaluate(
      () => (window as unknown as Record<string, unknown>)['meter'] as number[],
    )
    expect(seen.length).toBeGreaterThan(3)
    // The template's own tokens around the turns may be counted or not.
    const whole = Math.max(...seen) - 10
    const since = seen.findIndex((sum) => sum >= whole)
    expect(Math.min(...seen.slice(since))).toBeGreaterThanOrEqual(whole)
  })
})

describe('loading', () => {
  it('another model while a reply is written ends the reply, not in an error', async () => {
    await kigo.ask('settings.chat', { maxTokens: null })
    await kigo.say(LONG)
    await expect
      .poll(() => kigo.lastReply.innerText().then((text) => text.length), { timeout: PATIENCE })
      .toBeGreaterThan(40)
    await kigo.ask('model.load', { path: model })
    expect(await lastMessage()).toMatchObject({ status: 'done', reason: 'cancelled' })
    await kigo.finished()
    expect(await kigo.page.getByRole('alert').count()).toBe(0)
  })
})

describe('unloading', () => {
  it('while a reply is written ends it, keeps the words, and says that nothing is loaded', async () => {
    await kigo.ask('settings.chat', { maxTokens: null })
    await kigo.say(LONG)
    await expect
      .poll(() => kigo.lastReply.innerText().then((text) => text.length), { timeout: PATIENCE })
      .toBeGreaterThan(40)
    await kigo.page.getByRole('button', { name: 'Unload model' }).click()
    await expect.poll(() => kigo.ask('model.state').then((state) => state.status)).toBe('none')
    await expect.poll(async () => (await lastMessage())?.status).not.toBe('streaming')
    const message = await lastMessage()
    expect(message?.text.length).toBeGreaterThan(20)
    expect(message).toMatchObject({ status: 'done', reason: 'cancelled' })
    const answer = await kigo.request('chat.send', { id: (await kigo.ask('chat.create')).id, text: 'Hello?' })
    expect(answer).toMatchObject({ ok: false, error: { code: 'NO_MODEL' } })
  })

  it('leaves under each reply the name of the model that wrote it', async () => {
    const foot = kigo.page
      .getByRole('log')
      .getByRole('button', { name: /tok\/s/ })
      .last()
    await expect.poll(() => foot.innerText()).toMatch(/^SmolLM2 135M Instruct/)
    await kigo.ask('settings.chat', { seed: null })
    await kigo.page.reload()
    await foot.click()
    const figures = kigo.page.getByRole('dialog', { name: 'This reply' })
    await figures.getByText('SmolLM2 135M Instruct').waitFor()
    await figures.getByRole('button', { name: 'Use this seed from now on' }).click()
    await figures.getByRole('button', { name: 'This seed is in use' }).waitFor()
    await kigo.page.keyboard.press('Escape')
  })

  it('leaves its words to be copied, as they are shown', async () => {
    const shown = (await lastMessage())?.text.trim()
    await kigo.page.getByRole('log').getByRole('button', { name: 'Copy' }).last().click()
    await expect.poll(() => kigo.app.evaluate(({ clipboard }) => clipboard.readText())).toBe(shown)
    await kigo.page.getByTitle('Copied').waitFor()
  })

  it('leaves text and composer on one left edge, with a scroll bar and without, in every width', async () => {
    const edges = () =>
      kigo.page.evaluate(() => {
        const left = (selector: string) => document.querySelector(selector)?.getBoundingClientRect().left
        const box = document.querySelector('[role="log"]')
        return {
          scrolls: box !== null && box.scrollHeight > box.clientHeight,
          apart: (left('.col') ?? NaN) - (left('.compose') ?? NaN),
        }
      })
    for (const [width, height] of [
      [1280, 800],
      [720, 480],
      [640, 480],
    ] as const) {
      await kigo.resize(width, height)
      if (height === 480) await expect.poll(async () => (await edges()).scrolls).toBe(true)
      // The padding of the composer.
      await expect.poll(async () => (await edges()).apart).toBeCloseTo(14, 1)
    }
  })

  it('left no complaint in the console', () => {
    expect(kigo.complaints).toEqual([])
  })
})
