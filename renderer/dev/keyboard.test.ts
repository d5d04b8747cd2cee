/** Where the keyboard goes, and what shows that it is there. */
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { button, composer, eventually, focused, inBrowser } from './testing.ts'

const { check, open } = inBrowser('keyboard.test.ts')

const tabStops = (page: Page, region: string) =>
  page.evaluate((selector) => {
    const root = document.querySelector(selector)
    const all = root === null ? [] : [root, ...root.querySelectorAll('*')]
    return all.filter(
      (element) => element instanceof HTMLElement && element.tabIndex >= 0 && element.checkVisibility(),
    ).length
  }, region)

check('F6 lands in New chat, the model, the transcript, the message and the settings', async () => {
  const page = await open('scene=settings')
  await eventually(() => focused(page)).toBe('Message')
  const seen: (string | null)[] = []
  for (let i = 0; i < 5; i++) {
    await page.keyboard.press('F6')
    seen.push(
      await page.evaluate(() => {
        const element = document.activeElement
        if (element?.classList.contains('pick')) return 'model'
        return element?.getAttribute('aria-label') ?? element?.id ?? null
      }),
    )
  }
  expect(seen).toEqual(['system-prompt', expect.anything(), 'model', 'Transcript', 'Message'])
  for (let i = 0; i < 3; i++) await page.keyboard.press('Shift+F6')
  expect(await focused(page)).toMatch(/^New chat/)
})

check(
  'the transcript is one stop of the Tab key; from a turn it goes into what belongs to that',
  async () => {
    const page = await open('scene=chat')
    const log = page.getByRole('log')
    await log.waitFor()
    expect(await tabStops(page, '[role="log"]')).toBe(1)
    await log.focus()
    await page.keyboard.press('Tab')
    expect(await focused(page)).toMatch(/^Context: |Message/)
    await log.focus()
    await page.keyboard.press('ArrowUp')
    expect(await focused(page)).toBe('Assistant')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Copy')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toMatch(/tok\/s/)
    await page.keyboard.press('Tab')
    expect(await log.evaluate((box) => box.contains(document.activeElement))).toBe(false)
    expect(await tabStops(page, '[role="log"]')).toBe(1)
  },
)

check('arrows move in the popover of the models and in their list, each one stop', async () => {
  const page = await open('scene=chat')
  const name = () => page.evaluate(() => document.activeElement?.querySelector('.name')?.textContent ?? null)
  await page.locator('.pick').press('Enter')
  await eventually(name).toBe('Qwen3 8B')
  expect(await tabStops(page, '.menu .list')).toBe(1)
  await page.keyboard.press('ArrowDown')
  expect(await name()).toBe('Llama 3.1 8B Instruct')
  await page.keyboard.press('End')
  expect(await name()).toBe('Moved away')
  await page.keyboard.press('ArrowDown')
  expect(await name()).toBe('Moved away')
  await page.keyboard.press('Home')
  expect(await name()).toBe('Qwen3 8B')
  await page.keyboard.press('Escape')

  await button(page, 'Models 6').click()
  const rows = page.getByRole('region', { name: 'Models' }).locator('.model')
  await page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor()
  await rows.first().focus()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  expect(await name()).toBe('Qwen2.5 14B Instruct')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Qwen2.5 14B Instruct' }).waitFor()
  expect(await rows.and(page.locator('[tabindex="0"]')).count()).toBe(1)
})

check('a drawer and a sheet give the focus back to what opened them', async () => {
  const page = await open('scene=chat', { width: 720, height: 600 })
  await button(page, 'Show sidebar').press('Enter')
  await eventually(() => focused(page)).toMatch(/^New chat/)
  await page.keyboard.press('Escape')
  await eventually(() => focused(page)).toBe('Show sidebar')
  await composer(page).press('Control+b')
  await eventually(() => focused(page)).toMatch(/^New chat/)
  await button(page, 'Hide sidebar').press('Enter')
  await eventually(() => focused(page)).toBe('Message')
  await button(page, 'Settings').press('Enter')
  await eventually(() => focused(page)).toBe('Close panel')
  await page.keyboard.press('Escape')
  await eventually(() => focused(page)).toBe('Settings')
  await button(page, 'Show sidebar').press('Enter')
  await page.mouse.click(700, 300)
  await eventually(() => focused(page)).toBe('Show sidebar')
})

check('the ring of a slider is round its thumb, and touches no neighbour', async () => {
  const page = await open('scene=settings')
  const slider = page.getByRole('slider', { name: 'Temperature, slider' })
  const box = await slider.boundingBox()
  if (!box) throw new Error('There is no slider')
  // Without its right end, above which is the field that has the focus before, with a ring of its own.
  const clip = { x: box.x - 12, y: box.y - 30, width: box.width - 70, height: 90 }
  await page.getByRole('spinbutton', { name: 'Temperature' }).focus()
  const without = await page.screenshot({ clip })
  await page.keyboard.press('Tab')
  await eventually(() => focused(page)).toBe('Temperature, slider')
  const ring = await changed(page, without, await page.screenshot({ clip }))
  const share = await slider.evaluate((input: HTMLInputElement) => Number(input.value) / Number(input.max))
  const thumb = 12 + 7 + (box.width - 14) * share
  expect(ring.left).toBeGreaterThan(thumb - 14)
  expect(ring.right).toBeLessThan(thumb + 14)
  expect(ring.right - ring.left).toBeGreaterThan(16)
  expect(ring.top).toBeGreaterThan(26)
  expect(ring.bottom).toBeLessThan(54)
})

/** The box of the pixels that are not the same. */
async function changed(page: Page, one: Buffer, other: Buffer) {
  const blank = await page.context().browser()?.newPage()
  if (!blank) throw new Error('The browser is gone')
  const found = await blank.evaluate(
    async ([a, b]) => {
      const pixels = async (png: string) => {
        const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob())
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
        context?.drawImage(image, 0, 0)
        return context?.getImageData(0, 0, image.width, image.height)
      }
      const [before, after] = [await pixels(a), await pixels(b)]
      const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity }
      if (!before || !after) return box
      for (let y = 0; y < before.height; y++)
        for (let x = 0; x < before.width; x++) {
          const at = (y * before.width + x) * 4
          if ([0, 1, 2].every((i) => before.data[at + i] === after.data[at + i])) continue
          box.left = Math.min(box.left, x)
          box.right = Math.max(box.right, x)
          box.top = Math.min(box.top, y)
          box.bottom = Math.max(box.bottom, y)
        }
      return box
    },
    [one.toString('base64'), other.toString('base64')] as const,
  )
  await blank.close()
  return found
}

check(
  'with the system’s colours alone, what is chosen and pressed is filled with the one for that',
  async () => {
    const page = await open('scene=settings', { forcedColors: 'active' })
    const filled = (selector: string) =>
      page.locator(selector).evaluate((element) => {
        const mark = document.body.appendChild(document.createElement('i'))
        mark.style.cssText = 'forced-color-adjust: none; background: Highlight'
        const same = getComputedStyle(element).backgroundColor === getComputedStyle(mark).backgroundColor
        mark.remove()
        return same
      })
    await composer(page).fill('Hello')
    expect(await filled('.chat.on')).toBe(true)
    expect(await filled('[aria-label="Settings"].tool')).toBe(true)
    expect(await filled('.send')).toBe(true)
    await button(page, 'Models 6').click()
    await page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor()
    expect(await filled('.model[aria-pressed="true"]')).toBe(true)
    expect(await filled('.nav[aria-current]')).toBe(true)
  },
)
