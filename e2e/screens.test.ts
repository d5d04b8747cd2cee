/**
 * The main states in light and dark, wide and narrow: each is checked by axe and photographed to
 * test-results/screens. KIGO_REFRESH_SCREENSHOTS=1 puts those of the README into assets/screenshots.
 */
import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, PATIENCE, root } from './kigo.ts'
import { realModel } from './models.ts'

const SCREENS = path.join(root, 'test-results', 'screens')
const IN_README = ['first-run-light', 'chat-light', 'settings-dark', 'haiku-dark']

let kigo: Kigo
beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true })
  kigo = await Kigo.start({
    env: { KIGO_HAIKU_MINUTE: '7', KIGO_HAIKU_SEEDS: Array.from({ length: 60 }, (_, i) => i + 1).join(',') },
  })
  await kigo.ask('app.setAppearance', { season: 'winter' })
  await kigo.page.reload()
  await kigo.page.getByRole('button', { name: 'Menu' }).waitFor()
})
afterAll(async () => {
  await kigo.close()
  if (!process.env['KIGO_REFRESH_SCREENSHOTS']) return
  const folder = path.join(root, 'assets', 'screenshots')
  mkdirSync(folder, { recursive: true })
  for (const name of IN_README)
    copyFileSync(path.join(SCREENS, `${name}.png`), path.join(folder, `${name}.png`))
})

/** Photographs the state in both themes and lets axe look at it; nothing serious may be wrong. */
async function inBothThemes(name: string): Promise<void> {
  for (const theme of ['light', 'dark'] as const) {
    await kigo.app.evaluate(({ nativeTheme }, source) => {
      nativeTheme.themeSource = source
    }, theme)
    await expect
      .poll(() => kigo.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches))
      .toBe(theme === 'dark')
    await kigo.page.evaluate(settled)
    await kigo.page.screenshot({ path: path.join(SCREENS, `${name}-${theme}.png`) })
    const { violations } = await new AxeBuilder({ page: kigo.page }).setLegacyMode().analyze()
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map((node) => `${node.target.join(' ')} (${node.failureSummary})`).join('; ')}`,
      )
    expect(serious, `${name}, ${theme}`).toEqual([])
  }
}

/** In the page: resolves when nothing moves but what moves for ever. */
async function settled(): Promise<void> {
  const ending = document
    .getAnimations()
    .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
  await Promise.all(ending.map((animation) => animation.finished.catch(() => {})))
}

const closeSettings = () => kigo.page.getByRole('button', { name: 'Close panel' }).click()

describe('what a person sees', () => {
  it('first run', async () => {
    await kigo.page.getByText('Q4_1').first().waitFor()
    await inBothThemes('first-run')
  })

  it('a file that cannot be opened, and its way out', async () => {
    await kigo.drop(path.join(root, 'package.json'))
    await kigo.page.getByRole('alert').first().waitFor()
    await inBothThemes('error')
  })

  it('a card before loading', async () => {
    await kigo.drop(realModel('gemma3'))
    await kigo.page.getByRole('button', { name: /^Load/ }).first().waitFor()
    await inBothThemes('card')
  })

  it('an empty chat', async () => {
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.loaded()
    await kigo.menu('New chat')
    await kigo.message.waitFor()
    await inBothThemes('empty')
  })

  it('a reply that is being written', async () => {
    await kigo.ask('settings.chat', { seed: 11, temperature: 0.7 })
    await kigo.say('Write a long story about a lighthouse keeper, a storm and a lost ship, in ten chapters.')
    await expect
      .poll(() => kigo.lastReply.innerText().then((text) => text.length), { timeout: PATIENCE })
      .toBeGreaterThan(200)
    expect(await kigo.lastReply.getAttribute('aria-busy')).toBe('true')
    await inBothThemes('streaming')
    if (await kigo.stop.isVisible()) await kigo.stop.click()
    await kigo.finished()
  })

  it('a conversation', async () => {
    await kigo.ask('settings.chat', { seed: 5, temperature: 0.3, maxTokens: 90 })
    await kigo.menu('New chat')
    for (const text of [
      'What is a kigo in a haiku? Answer in two sentences.',
      'Name one for autumn.\nOne line is enough.',
    ]) {
      await kigo.say(text)
      await kigo.finished()
    }
    await kigo.page.mouse.move(0, 0)
    await inBothThemes('chat')
  })

  it('the settings beside it', async () => {
    await kigo.page.getByRole('button', { name: 'Settings', exact: true }).click()
    for (const name of [
      'Temperature',
      'Top K',
      'Top P',
      'Min P',
      'Repeat penalty',
      'Repeat last n',
      'Presence penalty',
      'Frequency penalty',
      'Seed',
      'Max tokens',
      'Context length',
      'Threads',
    ]) {
      expect(await kigo.page.getByRole('spinbutton', { name, exact: true }).count(), name).toBe(1)
    }
    for (const name of ['System prompt', 'Stop sequences']) {
      expect(await kigo.page.getByRole('textbox', { name, exact: true }).count(), name).toBe(1)
    }
    await inBothThemes('settings')
    await closeSettings()
  })

  it('the models', async () => {
    await kigo.menu('Models')
    await kigo.page.getByRole('region', { name: 'Models' }).waitFor()
    await inBothThemes('models')
  })

  it('the haiku test', async () => {
    await kigo.menu('Haiku test')
    await expect
      .poll(() => kigo.page.getByRole('region', { name: 'Haiku test' }).innerText(), { timeout: PATIENCE })
      .toMatch(/of 60/)
    await inBothThemes('haiku')
  })

  it('the shortcuts', async () => {
    await kigo.menu('Keyboard shortcuts')
    await kigo.page.getByRole('dialog').waitFor()
    await inBothThemes('shortcuts')
    await kigo.page.keyboard.press('Escape')
  })

  it('a narrow window: the chat, then the settings over it', async () => {
    await kigo.resize(640, 480)
    const [newest] = await kigo.ask('chat.list')
    expect(newest).toBeDefined()
    await kigo.page.getByRole('button', { name: 'Show sidebar' }).click()
    await kigo.page
      .getByText(newest?.title ?? '', { exact: true })
      .first()
      .click()
    await kigo.message.waitFor()
    await inBothThemes('narrow')
    await kigo.page.getByRole('button', { name: 'Settings', exact: true }).click()
    await inBothThemes('narrow-settings')
    await closeSettings()
  })

  it('without a complaint in the console', () => {
    expect(kigo.complaints).toEqual([])
  })
})
