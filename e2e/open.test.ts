import { rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, PATIENCE, root } from './kigo.ts'
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

/** The system's dialog answers with this file, or is closed. What it was asked is kept. */
const dialogAnswers = (file: string | null) =>
  kigo.app.evaluate(({ dialog }, answer) => {
    dialog.showOpenDialog = (...args: unknown[]) => {
      ;(globalThis as Record<string, unknown>)['asked'] = args.at(-1)
      return Promise.resolve({ canceled: answer === null, filePaths: answer === null ? [] : [answer] })
    }
  }, file)

describe('the native dialog', () => {
  it('that is closed changes nothing', async () => {
    await dialogAnswers(null)
    await kigo.page.getByRole('button', { name: 'Open model' }).click()
    await expect
      .poll(() => kigo.app.evaluate(() => (globalThis as Record<string, unknown>)['asked']))
      .toMatchObject({
        properties: ['openFile'],
        filters: [{ extensions: ['gguf'] }, { extensions: ['*'] }],
      })
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'none' })
  })

  it('picks a model, whose card is shown before it loads', async () => {
    const file = copies.of('smollm2', 'picked.gguf')
    await dialogAnswers(file)
    await kigo.page.getByRole('button', { name: 'Open model' }).click()
    const load = kigo.page.getByRole('button', { name: 'Load', exact: true })
    await load.waitFor()
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'none' })
    await load.click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'loaded', model: { path: file } })
  })
})

describe('an error', () => {
  it('says what is wrong and offers a way out that works', async () => {
    await kigo.drop(path.join(root, 'package.json'))
    const alert = kigo.page.getByRole('alert').first()
    await alert.waitFor()
    expect(await alert.innerText()).toContain('not a GGUF')
    await dialogAnswers(realModel('smollm2'))
    await kigo.page.getByRole('button', { name: 'Open another file' }).click()
    await kigo.page.getByRole('button', { name: 'Load', exact: true }).click()
    await expect
      .poll(() => kigo.ask('model.state'), { timeout: PATIENCE })
      .toMatchObject({ status: 'loaded', model: { path: realModel('smollm2') } })
    await expect.poll(() => kigo.page.getByRole('alert').count()).toBe(0)
  })
})

describe('the recent models', () => {
  it('are a click away in the title bar; one whose file is gone is known as gone', async () => {
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.ask('model.unload')
    rmSync(copies.at('picked.gguf'))
    expect(await kigo.ask('model.recents')).toMatchObject([
      { path: realModel('smollm2'), exists: true },
      { path: copies.at('picked.gguf'), exists: false },
    ])
    const state = await kigo.ask('model.state')
    const name = state.status === 'none' ? (state.lastName ?? '?') : '?'
    await kigo.page.getByRole('banner').getByText(name).first().click()
    const list = kigo.page.getByRole('dialog', { name: 'Models' })
    await list.waitFor()
    await list.getByRole('button', { name }).first().click()
    await kigo.loaded()
  })

  it('are forgotten when asked to, and the next card is there', async () => {
    await kigo.menu('Models')
    const models = kigo.page.getByRole('region', { name: 'Models' })
    await models.getByRole('button', { name: /file is gone/ }).click()
    await models.getByRole('button', { name: 'Remove from the list' }).click()
    await models.getByRole('button', { name: 'Reload' }).waitFor()
    const left = await kigo.ask('model.recents')
    expect(left.map((recent) => recent.path)).toEqual([realModel('smollm2')])
    await kigo.page.keyboard.press('Escape')
  })
})

describe('the keys', () => {
  it('reach settings, sidebar, new chat and the regions', async () => {
    const { keyboard } = kigo.page
    const settings = kigo.page.getByRole('complementary', { name: 'Settings' })
    await kigo.message.focus()
    await keyboard.press('Control+,')
    await settings.waitFor()
    await keyboard.press('Control+,')
    await settings.waitFor({ state: 'detached' })

    await keyboard.press('Control+b')
    await expect.poll(() => kigo.ask('app.info').then((info) => info.appearance.sidebar)).toBe(false)
    await keyboard.press('Control+b')
    await expect.poll(() => kigo.ask('app.info').then((info) => info.appearance.sidebar)).toBe(true)
    await kigo.page.getByRole('button', { name: 'Hide sidebar' }).press('Enter')
    await expect.poll(() => kigo.message.evaluate((element) => element === document.activeElement)).toBe(true)
    await keyboard.press('Control+b')

    await kigo.message.fill('a draft')
    await keyboard.press('Shift+Enter')
    expect(await kigo.message.inputValue()).toBe('a draft\n')
    expect(await kigo.replies.count()).toBe(0)

    await keyboard.press('F6')
    expect(await kigo.message.evaluate((element) => element === document.activeElement)).toBe(false)
  })
})

describe('a long context', () => {
  it('may need a cache of more than a gibibyte, which Chromium’s malloc would not give', async () => {
    await kigo.ask('model.load', { path: realModel('smollm2'), settings: { contextLength: 60_000 } })
    const state = await kigo.ask('model.state')
    expect(state.status === 'loaded' && state.model.inspection.memory?.kv).toBeGreaterThan(1.25 * 1024 ** 3)
    await kigo.menu('Models')
    const card = kigo.page.getByRole('region', { name: 'Models' })
    const context = card.getByRole('spinbutton', { name: 'Context length' })
    await context.fill('60000')
    await context.press('Enter')
    await card.getByText('More than the 8,192 that it was trained for.').waitFor()
    await context.fill('4096')
    await context.press('Enter')
    await card.getByText('More than').waitFor({ state: 'detached' })
    await kigo.ask('settings.chat', { maxTokens: 4 })
    await kigo.menu('New chat')
    await kigo.say('Name a season.')
    await kigo.finished()
    await expect.poll(() => kigo.lastReply.innerText()).not.toBe('')
  })
})
