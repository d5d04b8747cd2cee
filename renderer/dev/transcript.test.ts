/** A conversation as a whole, of which the page holds only what is near the view. */
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { button, composer, eventually, inBrowser } from './testing.ts'

const { check, open } = inBrowser('transcript.test.ts')

/** What a copy of the selection puts on the clipboard; null: what the browser makes of it. */
const copied = (page: Page) =>
  page.evaluate(() => {
    const data = new DataTransfer()
    const event = new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true })
    document.activeElement?.dispatchEvent(event)
    return event.defaultPrevented ? data.getData('text/plain') : null
  })

const messages = (page: Page) =>
  page.evaluate(() =>
    window.kigo
      .request('chat.get', { id: window.kigoScene.conversations[0]?.id ?? '' })
      .then((result) => (result.ok ? result.data.messages : [])),
  )

check('select all and copy take the whole conversation, also what is not on the page', async () => {
  const page = await open('scene=long')
  const log = page.getByRole('log')
  await log.focus()
  await page.keyboard.press('Control+a')
  const text = (await copied(page)) ?? ''
  const all = await messages(page)
  expect(await page.getByRole('article').count()).toBeLessThan(30)
  expect(text.match(/^You:$/gm)).toHaveLength(250)
  for (const { text: said } of all) expect(text).toContain(said.trim())
  expect(text.startsWith(`You:\n${all[0]?.text.trim()}`)).toBe(true)
  expect(text).not.toContain('tok/s')
})

check('a selection over many turns has those between its ends, and outlives a scroll', async () => {
  const page = await open('scene=long')
  const log = page.getByRole('log')
  await log.waitFor()
  await page.evaluate(() => {
    const turns = [...document.querySelectorAll('article[aria-label="You"] .ln')]
    const from = turns.at(-1)?.firstChild
    if (from) document.getSelection()?.collapse(from, 'Question '.length)
  })
  await page.mouse.move(700, 300)
  await page.mouse.wheel(0, -20_000)
  await eventually(() =>
    page.locator('article').first().getAttribute('aria-posinset').then(Number),
  ).toBeLessThan(480)
  await page.evaluate(() => {
    const view = document.querySelector('[role="log"]')?.getBoundingClientRect()
    const to = [...document.querySelectorAll('article[aria-label="You"] .ln')].find(
      (line) => line.getBoundingClientRect().top > (view?.top ?? 0),
    )?.firstChild
    if (to) document.getSelection()?.extend(to, 'Question '.length)
  })
  const from = await page.evaluate(() => document.getSelection()?.focusNode?.textContent ?? '')
  const text = (await copied(page)) ?? ''
  const first = Number(/^Question (\d+)/.exec(from)?.[1])
  expect(first).toBeLessThan(245)
  // The first from its number on, the last up to its number.
  expect(text.startsWith(`You:\n${first}: why does`)).toBe(true)
  expect(text.endsWith('You:\nQuestion ')).toBe(true)
  for (let n = first + 1; n < 250; n++) expect(text).toContain(`Question ${n}: why`)
})

check('within one turn a copy is the browser’s own', async () => {
  const page = await open('scene=chat')
  await page.getByRole('article', { name: 'Assistant' }).waitFor()
  await page.evaluate(() => {
    const line = document.querySelector('article[aria-label="Assistant"] .ln')
    if (line) document.getSelection()?.selectAllChildren(line)
  })
  expect(await copied(page)).toBeNull()
})

check('every turn says which one it is of how many', async () => {
  const page = await open('scene=long')
  const last = page.getByRole('article').last()
  await last.waitFor()
  expect(await last.getAttribute('aria-setsize')).toBe('500')
  expect(await last.getAttribute('aria-posinset')).toBe('500')
})

check('an alert that comes back on screen is shown again, and not announced again', async () => {
  const page = await open('scene=replyerror')
  await page.getByRole('alert').waitFor()
  await button(page, 'Why Canberra is the capital').click()
  await page.getByRole('alert').waitFor({ state: 'detached' })
  await button(page, 'What min-p does that top-p does not').click()
  await page
    .getByRole('note')
    .getByRole('heading', { name: /not finite/ })
    .waitFor()
  expect(await page.getByRole('alert').count()).toBe(0)
})

check('blank lines around a message are not kept, those within and the indentation are', async () => {
  const page = await open('scene=empty')
  await composer(page).fill('\n\n  \n    a\n\n  b\n\n \n')
  await page.keyboard.press('Enter')
  await page.getByRole('article', { name: 'You' }).waitFor()
  expect((await messages(page))[0]?.text).toBe('    a\n\n  b')
  await composer(page).fill('\n \n')
  await page.keyboard.press('Enter')
  expect(await messages(page)).toHaveLength(2)
})

check('a message of 200 kB is folded, opens, and is copied whole', async () => {
  const page = await open('scene=empty')
  const words = 'word '.repeat(40_000)
  await composer(page).fill(words)
  await page.keyboard.press('Enter')
  const article = page.getByRole('article', { name: 'You' })
  await article.waitFor()
  expect((await article.innerText()).length).toBeLessThan(2000)
  expect((await messages(page))[0]?.text).toBe(words)
  await button(page, 'Show all 200,000 characters').click()
  await eventually(async () => (await article.innerText()).length).toBeGreaterThan(190_000)
  await button(page, 'Show less').click()
  await eventually(async () => (await article.innerText()).length).toBeLessThan(2000)
})

check('thousands of lines that a program types are one change, in every field', async () => {
  const page = await open('scene=settings')
  await page.evaluate(() => {
    let changes = 0
    window.addEventListener('input', () => (document.body.dataset['changes'] = String(++changes)), true)
  })
  const changes = () => page.evaluate(() => Number(document.body.dataset['changes']))
  const lines = 'A line of a log that is not long.\n'.repeat(6_000)
  await composer(page).fill('before after')
  await page.keyboard.press('Home')
  for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowRight')
  await page.keyboard.insertText(lines)
  expect(await changes()).toBe(2)
  await page.keyboard.type('x')
  expect(await composer(page).inputValue()).toBe(`before ${lines}xafter`)
  await page.getByLabel('System prompt').fill(lines)
  expect(await changes()).toBe(4)
  expect(await page.getByLabel('System prompt').inputValue()).toBe(lines)
  await composer(page).press('Enter')
  await page.getByText('before A line of a log').waitFor()
  expect(await composer(page).inputValue()).toBe('')
})

check('the composer grows by the line up to ten of them, however long the text is', async () => {
  const page = await open('scene=empty')
  const height = () => composer(page).evaluate((field) => (field as HTMLElement).offsetHeight)
  const first = await height()
  const heights: number[] = []
  for (let lines = 2; lines <= 12; lines++) {
    await composer(page).fill('a\n'.repeat(lines - 1) + 'b')
    heights.push(await height())
  }
  expect(heights).toEqual([64, 88, 112, 136, 160, 184, 208, 232, 256, 256, 256])
  await composer(page).fill('x'.repeat(20_001))
  expect(await height()).toBe(256)
  await composer(page).fill('')
  expect(await height()).toBe(first)
})

check('the wheel and the page keys over the composer scroll the transcript', async () => {
  const page = await open('scene=long')
  const log = page.getByRole('log')
  const top = () => log.evaluate((box) => box.scrollTop)
  const below = () => log.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop)
  await eventually(below).toBeLessThan(2)
  const box = await composer(page).boundingBox()
  await page.mouse.move((box?.x ?? 0) + 40, (box?.y ?? 0) + 20)
  await page.mouse.wheel(0, -300)
  await button(page, 'Jump to latest').waitFor()
  const wheeled = await top()
  await composer(page).press('PageUp')
  expect(await top()).toBeLessThan(wheeled - 200)
  await eventually(async () => {
    await composer(page).press('PageDown')
    return below()
  }).toBeLessThan(33)

  // What is longer than its field scrolls itself.
  await composer(page).fill('line\n'.repeat(40))
  const before = await top()
  await page.mouse.wheel(0, -100)
  await eventually(() =>
    composer(page).evaluate((field) => field.scrollHeight - field.clientHeight - field.scrollTop),
  ).toBeGreaterThan(50)
  expect(await top()).toBe(before)
})

check('a file that was dropped has its row in the list, whatever it is', async () => {
  const page = await open('scene=chat')
  const drop = (name: string) =>
    page.evaluate((file) => {
      const data = new DataTransfer()
      data.items.add(new File(['x'], file))
      document.body.dispatchEvent(
        new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }),
      )
    }, name)
  await page.evaluate(() => {
    const [, known] =
      Object.entries(window.kigoScene.inspections).find(([path]) => path.includes('Qwen3')) ?? []
    if (known && 'name' in known)
      window.kigoScene.inspections['/home/a/Downloads/new.gguf'] = { ...known, name: 'Quite new' }
  })
  await drop('new.gguf')
  const list = page.locator('.models .list')
  const row = (name: RegExp) => list.getByRole('button', { name })
  await row(/^Quite new.*not loaded yet/s).waitFor()
  expect(await row(/^Quite new/).getAttribute('aria-pressed')).toBe('true')
  await drop('notes.txt')
  await row(/^notes\.txt.*cannot be read/s).waitFor()
  expect(await row(/^notes/).getAttribute('aria-pressed')).toBe('true')
  expect(await row(/^Quite new/).count()).toBe(1)
  await row(/^Quite new/).click()
  await button(page, 'Remove from the list').click()
  await row(/^Quite new/).waitFor({ state: 'detached' })
})
