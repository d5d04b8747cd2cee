/**
 * The window in a plain Chromium with the fake bridge: what a person and assistive technology rely on.
 * Skipped where there is no Chromium; e2e/ drives the same window in the real Electron.
 */
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
if (!available)
  console.warn('renderer/dev/behaviour.test.ts is skipped: no Chromium on this machine (CHROMIUM names one).')
const check = test.skipIf(!available)

let browser: Awaited<ReturnType<typeof openBrowser>>
const errors: string[] = []

beforeAll(async () => {
  if (!available) return
  browser = await openBrowser()
}, 120_000)
afterAll(() => browser?.close())

async function open(query: string, size = {}): Promise<Page> {
  const page = await browser.open(query, size)
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  return page
}

/** The machine may be busy with other tests: a state is waited for, and no test depends on how soon it comes. */
const eventually = <T>(value: () => Promise<T>) => expect.poll(value, { timeout: 30_000 })

const composer = (page: Page) => page.getByRole('textbox', { name: 'Message' })
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const lastReply = (page: Page) => page.getByRole('article', { name: 'Assistant' }).last()

check('the focus starts in the composer; Enter sends, Shift+Enter does not', async () => {
  const page = await open('scene=empty&rate=200')
  await eventually(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe(
    'Message',
  )
  await page.keyboard.type('one')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('two')
  expect(await composer(page).inputValue()).toBe('one\ntwo')
  await page.keyboard.press('Enter')
  await page.getByRole('article', { name: 'You' }).waitFor()
  expect(await composer(page).inputValue()).toBe('')
  await button(page, 'Send').waitFor()
  await eventually(() => lastReply(page).getAttribute('aria-busy')).toBe('false')
  await eventually(() =>
    page.getByRole('status').filter({ hasText: 'Reply finished' }).allTextContents(),
  ).toEqual([expect.stringMatching(/Reply finished, \d+ tokens/)])
})

check('what is typed while the page still starts is the draft of the chat that comes on screen', async () => {
  const page = await open('scene=starting')
  await composer(page).fill('typed early')
  await page.evaluate(() => void (window.kigoScene.startHolds = false))
  await lastReply(page).waitFor()
  await eventually(() => composer(page).inputValue()).toBe('typed early')
})

check('Enter that ends a composition sends nothing', async () => {
  const page = await open('scene=empty')
  const session = await page.context().newCDPSession(page)
  await composer(page).focus()
  await session.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 })
  await page.evaluate(() =>
    document.activeElement?.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }),
    ),
  )
  await session.send('Input.insertText', { text: '日本' })
  expect(await composer(page).inputValue()).toBe('日本')
  expect(await page.getByRole('article').count()).toBe(0)
})

check('a reply grows, Stop ends it and keeps what was written', async () => {
  const page = await open('scene=empty&rate=40&repeat=20')
  await composer(page).fill('Go on')
  await button(page, 'Send').click()
  await button(page, 'Stop').waitFor()
  await page.getByRole('status').filter({ hasText: 'Writing' }).waitFor({ state: 'attached' })
  await eventually(async () => (await lastReply(page).innerText()).length).toBeGreaterThan(40)
  expect(await lastReply(page).getAttribute('aria-busy')).toBe('true')
  await page.keyboard.press('Escape')
  await button(page, 'Send').waitFor()
  expect(await lastReply(page).innerText()).toMatch(/^A true single pass/)
  await eventually(() => page.locator('.stats').last().innerText()).toMatch(/stopped$/)
})

check('a stream that began before the page did is taken up where it is', async () => {
  const page = await open('scene=streaming')
  await eventually(() => lastReply(page).innerText()).toMatch(/gone altog$/)
  expect((await lastReply(page).innerText()).match(/A true single pass/g)?.length).toBe(1)
})

check('the view follows at the end, one wheel tick up lets go, Jump to latest takes hold', async () => {
  const page = await open('scene=long&rate=120&repeat=300')
  const log = page.getByRole('log')
  const below = () => log.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop)
  const top = () => log.evaluate((box) => box.scrollTop)
  const length = async () => (await lastReply(page).innerText()).length
  const grown = async () => eventually(length).toBeGreaterThan((await length()) + 300)
  await eventually(below).toBeLessThan(2)
  await composer(page).fill('Go on')
  await page.keyboard.press('Enter')
  await eventually(length).toBeGreaterThan(1500)
  // What has just grown counts from the next frame on; a view that does not follow falls ever further behind.
  await eventually(below).toBeLessThan(33)

  const before = await top()
  await page.mouse.move(700, 300)
  await page.mouse.wheel(0, -40)
  await button(page, 'Jump to latest').waitFor()
  // A wheel tick is a movement of its own; where it ends the view stays, however much is written below.
  let at = before
  await eventually(async () => at - (at = await top())).toBe(0)
  expect(at).toBeLessThan(before)
  await grown()
  expect(await top()).toBe(at)

  await button(page, 'Jump to latest').press('Enter')
  await eventually(() => composer(page).evaluate((box) => box === document.activeElement)).toBe(true)
  await eventually(below).toBeLessThan(33)
  await grown()
  await eventually(below).toBeLessThan(33)
  // Long as it is, the page holds only what is near the view.
  expect(await page.getByRole('article').count()).toBeLessThan(30)
})

check('every field is a spinbutton or a textbox by its name, and Enter takes what was typed', async () => {
  const page = await open('scene=chat')
  await button(page, 'Settings').click()
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
    expect(await page.getByRole('spinbutton', { name, exact: true }).count(), name).toBe(1)
  }
  for (const name of ['System prompt', 'Stop sequences'])
    expect(await page.getByRole('textbox', { name, exact: true }).count(), name).toBe(1)

  const temperature = page.getByRole('spinbutton', { name: 'Temperature' })
  await temperature.fill('0')
  await temperature.press('Enter')
  await eventually(() => page.locator('.dist li .pc').first().textContent()).toBe('100 %')
  await button(page, 'Reset Temperature').press('Enter')
  expect(await temperature.inputValue()).toBe('0.8')
  expect(await temperature.evaluate((field) => field === document.activeElement)).toBe(true)
  const system = page.getByRole('textbox', { name: 'System prompt' })
  const top = () => system.evaluate((field) => field.getBoundingClientRect().top)
  await system.fill('Be brief.')
  const filled = await top()
  await button(page, 'Clear it').press('Enter')
  await button(page, 'Clear it').waitFor({ state: 'detached' })
  expect(await system.evaluate((field) => field === document.activeElement)).toBe(true)
  expect(await top()).toBe(filled)
  await temperature.press('ArrowUp')
  expect(await temperature.inputValue()).toBe('0.85')
  await temperature.fill('1.5')
  await temperature.press('ArrowUp')
  expect(await temperature.inputValue()).toBe('1.55')

  const stops = page.getByRole('textbox', { name: 'Stop sequences' })
  const tooMany = Array.from({ length: 17 }, (_, i) => `stop ${i}`).join('\n')
  await stops.fill(tooMany)
  await page.getByText('16 at most; these are 17.').waitFor()
  await stops.blur()
  expect(await stops.inputValue()).toBe(tooMany)

  const seed = page.getByRole('spinbutton', { name: 'Seed' })
  expect(await seed.getAttribute('aria-valuetext')).toBe('random')
  await seed.fill('42')
  await seed.blur()
  await eventually(async () => (await saved(page)).seed).toBe(42)
})

/** The settings of chats as main has them. */
const saved = (page: Page) =>
  page.evaluate(() =>
    window.kigo
      .request('settings.chat', {})
      .then((result) => (result.ok ? result.data : Promise.reject(result))),
  )

check('a number that is typed is taken as a whole or not at all, and what is refused is said', async () => {
  const page = await open('scene=chat')
  await button(page, 'Settings').click()
  const field = (name: string) => page.getByRole('spinbutton', { name, exact: true })
  for (const [name, typed, words] of [
    ['Temperature', '25', '10 or less.'],
    ['Seed', '4294967296', '4,294,967,295 or less.'],
    ['Threads', '17', '16 or less.'],
    ['Top K', '4x', 'A number is needed.'],
    ['Context length', '12', '16 or more.'],
  ] as const) {
    const before = await field(name).inputValue()
    for (const leave of ['Enter', 'Tab']) {
      await field(name).fill('')
      // Key by key: no part of it counts on the way.
      await field(name).pressSequentially(typed)
      expect(await field(name).getAttribute('aria-invalid')).toBe('true')
      await field(name).press(leave)
      expect(await field(name).inputValue(), `${name} ${leave}`).toBe(before)
      expect(await field(name).getAttribute('aria-invalid')).toBe('false')
      await page.getByText(`“${typed}” was not taken. ${words}`, { exact: true }).waitFor()
      await page
        .getByRole('status')
        .filter({ hasText: `${name}: “${typed}” was not taken.` })
        .waitFor({
          state: 'attached',
        })
    }
  }
  // The panel closes over the field.
  await field('Top K').fill('7')
  await page.keyboard.press('Control+,')
  await eventually(async () => (await saved(page)).topK).toBe(7)
  await page.keyboard.press('Control+,')
  // What is typed and not finished does not count yet.
  await field('Temperature').fill('1')
  await field('Top P').fill('0.5')
  await field('Top P').press('Enter')
  await eventually(async () => (await saved(page)).topP).toBe(0.5)
  expect((await saved(page)).temperature).toBe(1)
  await field('Temperature').fill('2')
  expect(await page.getByRole('slider', { name: 'Temperature, slider' }).inputValue()).toBe('1')
  await field('Temperature').press('Enter')
  expect(await page.getByRole('slider', { name: 'Temperature, slider' }).inputValue()).toBe('2')
})

check(
  'the word before a default stands where there is room for it, and is not cut where there is none',
  async () => {
    const page = await open('scene=chat')
    await button(page, 'Settings').click()
    const word = (name: string) => button(page, `Reset ${name}`).getByText('default', { exact: true })
    for (const [name, value] of [
      ['Temperature', '1'],
      ['Context length', '4096'],
    ] as const) {
      await page.getByRole('spinbutton', { name, exact: true }).fill(value)
      await page.keyboard.press('Enter')
      await button(page, `Reset ${name}`).waitFor()
    }
    expect(await word('Temperature').isVisible()).toBe(true)
    expect(await word('Context length').isVisible()).toBe(false)
  },
)

check('a file that is dropped shows its card, with the way to load it under Enter', async () => {
  const page = await open('scene=empty')
  await page.evaluate(() => {
    window.kigoScene.loadHolds = 0.5
    const data = new DataTransfer()
    data.items.add(new File(['x'], 'Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf'))
    for (const type of ['dragenter', 'dragover', 'drop'])
      document.body.dispatchEvent(
        new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }),
      )
  })
  await page.getByRole('heading', { name: 'Llama 3.1 8B Instruct' }).waitFor()
  await eventually(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Load')
  await page.keyboard.press('Enter')
  await button(page, 'Cancel loading').waitFor()
  await page.evaluate(() => (window.kigoScene.loadHolds = 1))
  await button(page, 'Unload model').waitFor()
  await eventually(() => composer(page).getAttribute('placeholder')).toBe('Message Llama 3.1 8B Instruct')
})

check('a drag that ends without a word leaves nothing over the window', async () => {
  const page = await open('scene=empty')
  await page.evaluate(() => {
    const data = new DataTransfer()
    data.items.add(new File(['x'], 'model.gguf'))
    document.body.dispatchEvent(new DragEvent('dragenter', { dataTransfer: data, bubbles: true }))
  })
  await page.getByText('Drop to open the model').waitFor()
  await page.mouse.move(300, 300)
  await page.getByText('Drop to open the model').waitFor({ state: 'detached' })
})

check('a load can be cancelled, and what was typed stays', async () => {
  const page = await open('scene=loading')
  await composer(page).fill('Kept')
  await button(page, 'Cancel loading').click()
  await button(page, 'Cancel loading').waitFor({ state: 'detached' })
  expect(await composer(page).inputValue()).toBe('Kept')
  await eventually(() => button(page, 'Send').isDisabled()).toBe(true)
})

check('a failure is an alert with a way out, and the text comes back', async () => {
  const page = await open('scene=sendfails')
  await composer(page).fill('Precious words')
  await page.keyboard.press('Enter')
  const alert = page.getByRole('alert')
  await alert.getByRole('button', { name: 'Open the logs' }).waitFor()
  await eventually(() => composer(page).inputValue()).toBe('Precious words')
  await alert.getByText('Details', { exact: true }).click()
  expect(await alert.locator('pre').textContent()).toContain('INTERNAL')
  await alert.getByRole('button', { name: 'Copy the report' }).click()
  await alert.getByRole('button', { name: 'Copied' }).waitFor()
  await alert.getByRole('button', { name: 'Copy the report' }).waitFor()
  await alert.getByRole('button', { name: 'Dismiss' }).press('Enter')
  await eventually(() => composer(page).evaluate((box) => box === document.activeElement)).toBe(true)
})

check('F6 goes round the regions, and a closed layer gives the focus back', async () => {
  const page = await open('scene=chat')
  await eventually(() => page.evaluate(() => document.activeElement?.tagName)).toBe('TEXTAREA')
  const seen: (string | undefined)[] = []
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press('F6')
    seen.push(
      await page.evaluate(
        () => document.activeElement?.closest('.side, .bar, [role="log"], .dock')?.className.split(' ')[0],
      ),
    )
  }
  expect(seen).toEqual(['side', 'bar', 'scroll', 'dock'])
  await page.locator('.pick').focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Models' }).waitFor()
  // A layer takes the focus when it is ready for keys.
  await eventually(() =>
    page.evaluate(() => document.activeElement?.closest('[role="dialog"]') !== null),
  ).toBe(true)
  await page.keyboard.press('Escape')
  await eventually(() => page.evaluate(() => document.activeElement?.classList.contains('pick'))).toBe(true)
})

check('arrows walk the transcript turn by turn, however fast they come', async () => {
  const page = await open('scene=long')
  await page.getByRole('log').focus()
  const focused = () =>
    page.evaluate(() => {
      const turn = document.activeElement as HTMLElement | null
      return [turn?.dataset['turn'], turn?.getAttribute('aria-label')]
    })
  const turns = (await page.evaluate(() =>
    window.kigo
      .request('chat.list', undefined)
      .then((list) => (list.ok && list.data[0] ? window.kigo.request('chat.get', list.data[0]) : null))
      .then((chat) => chat?.ok && chat.data.messages.map(({ id }) => id)),
  )) as string[]
  await page.keyboard.press('ArrowUp')
  expect(await focused()).toEqual([turns.at(-1), 'Assistant'])
  await page.keyboard.press('ArrowUp')
  expect(await focused()).toEqual([turns.at(-2), 'You'])
  // All in one turn of the page: far ahead of what it can show.
  await page.evaluate(() => {
    for (let i = 0; i < 40; i++)
      document.activeElement?.dispatchEvent(
        new KeyboardEvent('keydown', { key: 'ArrowUp', bubbles: true, cancelable: true }),
      )
  })
  expect(await focused()).toEqual([turns.at(-42), 'You'])
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown')
  expect(await focused()).toEqual([turns.at(-39), 'Assistant'])
  await eventually(() =>
    page.evaluate(() => {
      const turn = document.activeElement?.getBoundingClientRect()
      const view = document.querySelector('[role="log"]')?.getBoundingClientRect()
      return turn && view && turn.bottom > view.top && turn.top < view.bottom
    }),
  ).toBe(true)
})

check('the window itself never scrolls, whatever takes the focus', async () => {
  const page = await open('scene=chat')
  await composer(page).waitFor()
  const scrolled = () =>
    page.evaluate(() => {
      const app = document.querySelector('.app')
      app?.scrollTo(0, 100)
      document.scrollingElement?.scrollTo(0, 100)
      return [app?.scrollTop, document.scrollingElement?.scrollTop, app?.getBoundingClientRect().top]
    })
  expect(await scrolled()).toEqual([0, 0, 0])
})

check(
  'the composer is as high and as wide with the longest name of a model as with the shortest',
  async () => {
    const page = await open('scene=empty', { width: 640, height: 480 })
    const size = (name: string) =>
      composer(page).evaluate((box: HTMLTextAreaElement, text) => {
        box.placeholder = `Message ${text}`
        const { left, width, height } = box.getBoundingClientRect()
        return { left, width, height }
      }, name)
    expect(await size('a model with a very long name '.repeat(9))).toEqual(await size('M'))
  },
)

check('a context with no room left is full, and until then nearly', async () => {
  const page = await open('scene=chat')
  const meter = page.getByRole('button', { name: /^Context: / })
  const window = /window ([\d,]+)/.exec((await meter.getAttribute('aria-label')) ?? '')?.[1] ?? ''
  const tokens = Number(window.replaceAll(',', ''))
  // The fake bridge counts four letters a token.
  await composer(page).fill('word'.repeat(Math.round(tokens * 0.92)))
  await meter.getByText('nearly full').waitFor()
  await composer(page).fill('word'.repeat(tokens))
  await meter.getByText('full', { exact: true }).waitFor()
})

check('one letter in an empty chat adds one token to what the template says by itself', async () => {
  const page = await open('scene=empty')
  const meter = page.getByRole('button', { name: /^Context: / })
  await eventually(() => meter.innerText()).toBe('8 of 8,192')
  await composer(page).fill('a')
  await eventually(() => meter.innerText()).toBe('8 + 1 of 8,192')
  await meter.click()
  const rows = page.getByRole('dialog', { name: 'Context window' }).getByRole('listitem')
  expect(await rows.allInnerTexts()).toEqual(['Chat template\n8', 'This message\n1'])
})

check('a context that is full says by how much, and the notice goes when there is room again', async () => {
  const page = await open('scene=context')
  const meter = page.getByRole('button', { name: /^Context: / })
  const full = page.getByRole('alert').filter({ hasText: 'The context is full' })
  await full.waitFor()
  await eventually(() => meter.innerText()).toMatch(/^full\s+10 too many for \d+$/)
  // Those of the context that the reply was written in.
  expect(await full.innerText()).toContain('512 of 512 tokens.')
  await full.getByRole('button', { name: /^Load with \d+ context$/ }).click()
  await button(page, 'Cancel loading').waitFor()
  await button(page, 'Cancel loading').waitFor({ state: 'detached' })
  await full.waitFor({ state: 'detached' })
  expect(await meter.innerText()).toMatch(/^\d+ of \d+$/)
})

check('a message that is too long by itself can be sent again after a load with more context', async () => {
  const page = await open('scene=toolong')
  const notice = page.getByRole('alert')
  expect(await notice.getByRole('button').allInnerTexts()).toEqual([
    'Load with 2,048 context',
    'Change the context length',
    'Write it again',
  ])
  // No article without a word above the notice.
  expect(await lastReply(page).innerText()).toContain('The prompt has 1,284 tokens')
  await button(page, 'Load with 2,048 context').click()
  await button(page, 'Cancel loading').waitFor()
  await button(page, 'Cancel loading').waitFor({ state: 'detached' })
  await button(page, 'Load with 2,048 context').waitFor({ state: 'detached' })
  await button(page, 'Write it again').click()
  await composer(page).press('Enter')
  await eventually(() => lastReply(page).innerText()).toMatch(/^A true single pass/)
  // What leads on is in the newest turn alone.
  const old = page.getByRole('note').filter({ hasText: 'The prompt has 1,284 tokens' })
  await old.waitFor({ state: 'attached' })
  expect(await old.locator('.fix').getByRole('button').count()).toBe(0)
})

check('a card with too long a context says what is too much, and leads to one that fits', async () => {
  const page = await open('scene=gpu')
  await button(page, 'Open model').click()
  const card = page.locator('.card')
  const field = card.getByRole('spinbutton', { name: 'Context length', exact: true })
  const largest = card.getByRole('button', { name: /^Largest that fits: / })
  const most = /([\d,]+)$/.exec(await largest.innerText())?.[1] ?? ''
  await field.fill('131072')
  await field.press('Enter')
  await card
    .getByRole('status')
    .getByText(/^It needs [\d.]+ GiB on the RTX 4070; 11\.09 GiB are free\./)
    .waitFor()
  await card.getByText('11.99 GiB, all there is').waitFor()
  expect(await button(page, 'Load').isDisabled()).toBe(true)

  await largest.press('Enter')
  expect(await field.inputValue()).toBe(most)
  expect(await field.evaluate((element) => element === document.activeElement)).toBe(true)
  expect(await largest.isDisabled()).toBe(true)
  await card.getByRole('status').waitFor({ state: 'detached' })
  expect(await button(page, 'Load').isEnabled()).toBe(true)

  await field.fill('131072')
  await field.press('Enter')
  await card
    .getByRole('status')
    .getByRole('button', { name: `Load with ${most} context`, exact: true })
    .click()
  await eventually(() => page.getByRole('button', { name: /^Context: / }).innerText()).toContain(`of ${most}`)
})

check('a plan that comes late, for a context that is not asked for any more, is not shown', async () => {
  const page = await open('scene=chat')
  await button(page, 'Open model').click()
  const card = page.locator('.card')
  await card.getByText('All 32 layers on the CPU.').waitFor()
  await eventually(() => page.evaluate(() => window.kigoScene.inspecting)).toBe(0)
  await page.evaluate(() => (window.kigoScene.inspectHolds = true))
  const field = card.getByRole('spinbutton', { name: 'Context length', exact: true })
  for (const [asked, tokens] of [1024, 2048].entries()) {
    await field.fill(String(tokens))
    await field.press('Enter')
    await eventually(() => page.evaluate(() => window.kigoScene.inspecting)).toBe(asked + 1)
  }
  await page.evaluate(() => (window.kigoScene.inspectHolds = false))
  await eventually(() => page.evaluate(() => window.kigoScene.inspecting)).toBe(0)
  const kv = card.locator('.legend div').filter({ hasText: 'KV cache' }).locator('dd')
  expect(await kv.innerText()).toBe('256 MiB')
})

check('two failures of Kigo itself are two notices, and the same one twice is one', async () => {
  const page = await open('scene=empty')
  const fault = (message: string) =>
    page.evaluate((text) => {
      const error = {
        code: 'INTERNAL' as const,
        message: 'Something went wrong inside Kigo.',
        data: { text },
      }
      window.kigoScene.emit?.({ type: 'fault', error })
    }, message)
  await fault('one')
  await fault('two')
  await fault('two')
  await eventually(() => page.getByRole('alert').count()).toBe(2)
  await page.getByRole('alert').first().getByRole('button', { name: 'Dismiss' }).click()
  await eventually(() => page.getByRole('alert').count()).toBe(1)
})

check('a field that is refused goes back, and takes no other with it', async () => {
  const page = await open('scene=chat')
  await button(page, 'Settings').click()
  await page.evaluate(() => (window.kigoScene.refuses = 'topK'))
  const field = (name: string) => page.getByRole('spinbutton', { name, exact: true })
  await field('Top K').fill('7')
  await field('Top P').fill('0.5')
  await field('Min P').fill('0.25')
  await field('Min P').press('Enter')
  await page.getByRole('alert').waitFor()
  await eventually(() => field('Top K').inputValue()).toBe('40')
  expect(await saved(page)).toMatchObject({ topK: 40, topP: 0.5, minP: 0.25 })
  expect(await field('Top P').inputValue()).toBe('0.5')
})

check(
  'a system prompt that is too long stays where it can be put right, and the one before it in use',
  async () => {
    const page = await open('scene=settings')
    const field = page.getByRole('textbox', { name: 'System prompt' })
    const before = await field.inputValue()
    await field.fill('x'.repeat(1_000_001))
    await page.getByText('1,000,000 characters at most; these are 1,000,001.').waitFor()
    expect(await field.getAttribute('aria-invalid')).toBe('true')
    expect((await field.inputValue()).length).toBe(1_000_001)
    expect((await saved(page)).systemPrompt).toBe(before)
    await field.fill('Short.')
    await eventually(async () => (await saved(page)).systemPrompt).toBe('Short.')
  },
)

check('a second haiku test is not told of the end of the first', async () => {
  const page = await open('scene=empty')
  const start = () => page.evaluate(() => window.kigoScene.emit?.({ type: 'command', command: 'haiku' }))
  await start()
  await page.getByRole('region', { name: 'Haiku test' }).waitFor()
  await page.keyboard.press('Escape')
  await start()
  await page.locator('.poem').waitFor()
  expect(await page.getByRole('region', { name: 'Haiku test' }).innerText()).not.toContain('Cancelled')
})

check('a deleted conversation is struck through and can be taken back', async () => {
  const page = await open('scene=chat')
  await page.getByRole('button', { name: 'Why Canberra is the capital', exact: true }).focus()
  await page.keyboard.press('Control+Delete')
  await button(page, 'Undo').press('Enter')
  await eventually(() => page.locator('.chat.gone').count()).toBe(0)
  const row = page.getByRole('button', { name: 'Why Canberra is the capital', exact: true })
  const hasFocus = () => row.evaluate((element) => element === document.activeElement)
  expect(await hasFocus()).toBe(true)
  // Its button goes where it was pressed; the focus stays in the row.
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await button(page, 'Undo').waitFor()
  expect(await hasFocus()).toBe(true)
})

check('the conversation list is one stop; arrows lead to each row and to its button', async () => {
  const page = await open('scene=chat')
  const focused = () =>
    page.evaluate(
      () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent,
    )
  const list = page.getByRole('navigation', { name: 'Conversation list' })
  expect(await list.locator('[tabindex="0"], button:not([tabindex])').count()).toBe(1)
  await page.getByRole('button', { name: 'Models' }).focus()
  await page.keyboard.press('Shift+Tab')
  const current = await focused()
  expect(
    await list.getByRole('button', { name: current ?? '', exact: true }).getAttribute('aria-current'),
  ).toBe('page')
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowDown')
  const second = await focused()
  await page.keyboard.press('ArrowRight')
  expect(await focused()).toBe(`Delete ${second}`)
  await page.keyboard.press('ArrowLeft')
  expect(await focused()).toBe(second)
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Undo', exact: true }).waitFor()
})

check('nothing is wrong on the console, the policy of the page included', () => {
  expect(errors).toEqual([])
})
