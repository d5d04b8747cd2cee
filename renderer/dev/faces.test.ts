/** Text in the window, whatever face it is set in: ours, and wider ones that a system may put in their place. */
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChromium, openBrowser } from './browser.mjs'

const available = findChromium() !== null
if (!available)
  console.warn('renderer/dev/faces.test.ts is skipped: no Chromium on this machine (CHROMIUM names one).')
const check = test.skipIf(!available)

let browser: Awaited<ReturnType<typeof openBrowser>>
beforeAll(async () => {
  if (!available) return
  browser = await openBrowser()
}, 120_000)
afterAll(() => browser?.close())

const SIZES = [{}, { width: 640, height: 480 }]
const LONGEST: [string, string][] = [
  ['Temperature', '1.12345'],
  ['Repeat last n', '1,000,000'],
  ['Presence penalty', '-9.75'],
  ['Frequency penalty', '-9.75'],
  ['Seed', '4,294,967,295'],
  ['Max tokens', '8,000,000'],
  ['Context length', '8,000,000'],
  ['GPU layers', '10,000'],
]

/**
 * Everything that is cut off at a side, but for names, which end in an ellipsis and show the whole on hover. A sheet
 * comes in over the edge, so what moves is waited for.
 */
const clipped = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    const moving = document
      .getAnimations()
      .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.all(moving.map((animation) => animation.finished.catch(() => {})))
    const found: string[] = []
    for (const field of document.querySelectorAll('input, select')) {
      if (field.checkVisibility() && field.scrollWidth > field.clientWidth)
        found.push(`field ${field.getAttribute('aria-label') ?? (field as HTMLInputElement).value}`)
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) {
      const text = texts.currentNode
      const parent = text.parentElement
      if (!parent?.checkVisibility() || parent.closest('.vh, script') || text.textContent?.trim() === '')
        continue
      const range = document.createRange()
      range.selectNodeContents(text)
      const { left, right } = range.getBoundingClientRect()
      for (let box: Element | null = parent; box; box = box.parentElement) {
        const { overflowX, textOverflow } = getComputedStyle(box)
        if (textOverflow === 'ellipsis' || overflowX === 'auto' || overflowX === 'scroll') break
        const edge = box.getBoundingClientRect()
        if (overflowX !== 'visible' && (left < edge.left - 1 || right > edge.right + 1)) {
          found.push(`${text.textContent} in ${box.className}`)
          break
        }
      }
    }
    return found
  })

check.each([
  ['our own', null],
  ['DejaVu Sans', 'DejaVu Sans'],
  ['a monospace', 'DejaVu Sans Mono'],
])(
  'no label and no field is cut in %s',
  async (_what, face) => {
    for (const size of SIZES) {
      const show = async (query: string, prepare: (page: Page) => Promise<unknown>): Promise<void> => {
        const page = await browser.open(query, size)
        if (face !== null)
          await page.evaluate((name) => {
            document.documentElement.style.setProperty('--face-ui', `"${name}"`)
            document.documentElement.style.setProperty('--face-mono', `"${name}"`)
          }, face)
        await prepare(page)
        expect(await clipped(page), `${query} ${JSON.stringify(size)}`).toEqual([])
        await page.context().close()
      }
      const settings = (page: Page): Promise<unknown> =>
        'width' in size
          ? page.getByRole('button', { name: 'Settings', exact: true }).click()
          : Promise.resolve()
      await show('scene=settings', settings)
      await show('scene=gpusettings', async (page) => {
        await settings(page)
        for (const [name, value] of LONGEST) {
          const field = page.getByRole('spinbutton', { name, exact: true })
          await field.fill(value)
          await field.press('Enter')
          expect(await field.inputValue()).toBe(value)
        }
      })
      for (const scene of ['chat', 'gpu'])
        await show(`scene=${scene}`, async (page) => {
          await page.getByRole('button', { name: 'Open model', exact: true }).click()
          await page.getByRole('button', { name: /14B/ }).click()
          const field = page.locator('.card').getByRole('spinbutton', { name: 'Context length', exact: true })
          await field.fill('8,000,000')
          await field.press('Enter')
          await page.locator('.overfull').waitFor()
        })
      await show('scene=firstrun', () => Promise.resolve())
    }
  },
  120_000,
)

check('the faces are those of the app; no ligature stands in them, and figures have one width', async () => {
  const page = await browser.open('scene=settings')
  const loaded = await page.evaluate(() =>
    [...document.fonts]
      .filter(({ status }) => status === 'loaded')
      .map(({ family }) => family.replaceAll('"', '')),
  )
  expect(new Set(loaded)).toEqual(new Set(['Inter Variable', 'JetBrains Mono Variable', 'Spectral']))
  const elsewhere = await page.evaluate(
    () =>
      performance.getEntriesByType('resource').filter(({ name }) => !name.startsWith(location.origin)).length,
  )
  expect(elsewhere).toBe(0)
  const bad = await page.evaluate(() =>
    [...document.querySelectorAll('body *')]
      .filter((element) => getComputedStyle(element).fontVariantLigatures !== 'none')
      .map((element) => element.className),
  )
  expect(bad).toEqual([])
  const widths = await page.evaluate(() => {
    const field = document.querySelector('.fld input')
    if (!field) throw new Error('There is no field.')
    return ['1111', '0000', '4747'].map((digits) => {
      const probe = document.createElement('span')
      probe.textContent = digits
      probe.style.font = getComputedStyle(field).font
      probe.style.fontVariantNumeric = getComputedStyle(field).fontVariantNumeric
      document.body.append(probe)
      return probe.getBoundingClientRect().width
    })
  })
  expect(new Set(widths).size).toBe(1)
})
