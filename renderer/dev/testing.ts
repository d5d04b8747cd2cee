/** What the tests of the window share: pages of one browser, and what went wrong in them. Skipped without a Chromium. */
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChromium, openBrowser } from './browser.mjs'
import type { Scene } from './scenes.ts'

declare global {
  interface Window {
    /** What install.ts starts from. */
    kigoScene: Scene
  }
}

const available = findChromium() !== null

/** Call once a file; `check` is its `test`, and no page may complain on its console. */
export function inBrowser(file: string) {
  if (!available)
    console.warn(`renderer/dev/${file} is skipped: no Chromium on this machine (CHROMIUM names one).`)
  let browser: Awaited<ReturnType<typeof openBrowser>>
  const errors: string[] = []
  beforeAll(async () => {
    if (available) browser = await openBrowser()
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    expect(errors).toEqual([])
  })

  async function open(query: string, size = {}): Promise<Page> {
    const page = await browser.open(query, size)
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    return page
  }
  return { check: test.skipIf(!available), open }
}

/** The machine may be busy with other tests: a state is waited for, and no test depends on how soon it comes. */
export const eventually = <T>(value: () => Promise<T>) => expect.poll(value, { timeout: 30_000 })

export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message' })
export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

/** What has the focus, as a person would name it. */
export const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement
    return element?.getAttribute('aria-label') ?? element?.textContent ?? null
  })

/** The scene holds these, and lets go of what it held. */
export const hold = (page: Page, ...routes: string[]) =>
  page.evaluate((held) => void (window.kigoScene.holds = held), routes)
