/** No serious violation in any state, in light and dark. Skipped where there is no Chromium. */
import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChromium, openBrowser } from './browser.mjs'
import './testing.ts'

const available = findChromium() !== null
if (!available)
  console.warn('renderer/dev/axe.test.ts is skipped: no Chromium on this machine (CHROMIUM names one).')

let browser: Awaited<ReturnType<typeof openBrowser>>
beforeAll(async () => {
  if (available) browser = await openBrowser()
}, 120_000)
afterAll(() => browser?.close())

const STATES: [name: string, query: string, prepare?: (page: Page) => Promise<unknown>][] = [
  ['chat', 'scene=chat'],
  ['empty', 'scene=empty'],
  ['first run', 'scene=firstrun'],
  ['loading', 'scene=loading', (page) => page.getByRole('heading', { name: /^Loading/ }).waitFor()],
  ['streaming', 'scene=streaming'],
  ['settings', 'scene=settings'],
  ['models', 'scene=chat', (page) => page.getByRole('button', { name: 'Open model', exact: true }).click()],
  ['selector', 'scene=chat', (page) => page.locator('.pick').click()],
  ['error', 'scene=error'],
  [
    'haiku',
    'scene=empty',
    async (page) => {
      await page.evaluate(() => window.kigoScene.tell({ type: 'command', command: 'haiku' }))
      await page.locator('.poem').waitFor()
    },
  ],
  ['shortcuts', 'scene=chat', (page) => page.keyboard.press('Control+/')],
]

/** What is drawn does not change any more: letters are there, and what moves has arrived (a caret blinks for ever). */
const settled = (page: Page) =>
  page.evaluate(async () => {
    await document.fonts.ready
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))
    const ends = document
      .getAnimations()
      .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.all(ends.map((animation) => animation.finished.catch(() => {})))
  })

for (const theme of ['light', 'dark']) {
  for (const [name, query, prepare] of STATES) {
    test.skipIf(!available)(`${name}, ${theme}`, async () => {
      const page = await browser.open(`${query}&theme=${theme}`, { reducedMotion: 'reduce' })
      await prepare?.(page)
      await settled(page)
      const { violations } = await new AxeBuilder({ page }).analyze()
      await page.context().close()
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual(
        [],
      )
      const moderate = violations.map(({ id }) => id)
      expect(moderate).toEqual([])
    })
  }
}
