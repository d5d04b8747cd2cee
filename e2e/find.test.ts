/** Find, and the menu of the right button, in the real window. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, PATIENCE } from './kigo.ts'
import { realModel } from './models.ts'

let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start({ args: [realModel('smollm2')] })
})
afterAll(() => kigo.close())

/** Messages with their replies, and the page that shows them; only a few of them are on screen. */
async function converse(texts: string[]): Promise<void> {
  await kigo.loaded()
  await kigo.ask('settings.chat', { maxTokens: 1, temperature: 0 })
  const { id } = await kigo.ask('chat.create')
  for (const text of texts) {
    await kigo.ask('chat.send', { id, text })
    const last = async () => (await kigo.ask('chat.get', { id })).messages.at(-1)?.status
    await expect.poll(last, { timeout: PATIENCE }).toBe('done')
  }
  await kigo.page.reload()
  await kigo.lastReply.waitFor()
}

/** How many places are marked, by kind. */
const marks = () =>
  kigo.page.evaluate(() => {
    // Maps, which our library list does not say yet.
    const all = CSS.highlights as unknown as Map<string, Set<Range>>
    return Object.fromEntries([...all].map(([name, ranges]) => [name, ranges.size]))
  })

const bar = () => kigo.page.getByRole('search')
const field = () => bar().getByRole('textbox')
const tally = () => bar().getByRole('status').innerText()

describe('find', () => {
  it('opens by its key, counts in the whole conversation, and goes round', async () => {
    const turns = [...Array(12).keys()].map((n) => `Turn ${n + 1} has a needle,\n${'and hay\n'.repeat(20)}.`)
    await converse(turns)
    expect(await kigo.page.getByRole('log').getByText('has a needle').count()).toBeLessThan(12)
    await kigo.message.focus()
    await kigo.page.keyboard.press('Control+f')
    await expect.poll(() => field().evaluate((element) => element === document.activeElement)).toBe(true)
    await field().fill('NEEDLE')
    await expect.poll(tally).toMatch(/^\d+ of 12$/)
    const first = Number((await tally()).split(' ')[0])
    await kigo.page.keyboard.press('Enter')
    expect(await tally()).toBe(`${(first % 12) + 1} of 12`)
    await kigo.page.keyboard.press('Shift+Enter')
    await kigo.page.keyboard.press('Shift+Enter')
    expect(await tally()).toBe(`${((first + 10) % 12) + 1} of 12`)
    // Turn 1 is at the other end, and comes on screen.
    while (!(await tally()).startsWith('1 ')) await kigo.page.keyboard.press('Enter')
    await expect
      .poll(() =>
        kigo.page
          .getByRole('log')
          .getByText('Turn 1 has a needle')
          .evaluate((line) => {
            const { top, bottom } = line.getBoundingClientRect()
            return top >= 0 && bottom <= window.innerHeight
          }),
      )
      .toBe(true)
  })

  it('marks what it finds, and does not count what is typed', async () => {
    expect(await marks()).toEqual({ find: 12, 'find-now': 1 })
    await field().fill('nothing of the kind')
    await expect.poll(tally).toBe('Nothing')
  })

  it('counts what is written while it is open', async () => {
    await field().fill('needle')
    await expect.poll(tally).toMatch(/of 12$/)
    await kigo.message.fill('One needle more.')
    await kigo.message.press('Enter')
    await expect.poll(tally).toMatch(/of 13$/)
  })

  it('closes by Esc and gives the focus back; nothing stays marked', async () => {
    await kigo.message.focus()
    await kigo.menu('Find…')
    await expect.poll(() => field().evaluate((element) => element === document.activeElement)).toBe(true)
    await kigo.page.keyboard.press('Escape')
    await bar().waitFor({ state: 'detached' })
    await expect.poll(() => kigo.message.evaluate((element) => element === document.activeElement)).toBe(true)
    expect(await marks()).toEqual({ find: 0, 'find-now': 0 })
  })
})

describe('the right button', () => {
  /** What the menu offers over the element, and which of it can be chosen. */
  async function menuOver(selector: string): Promise<string[]> {
    await kigo.app.evaluate(({ Menu }) => {
      Menu.prototype.popup = function (this: Electron.Menu) {
        ;(globalThis as Record<string, unknown>)['popped'] = this.items
          .filter(({ type }) => type !== 'separator')
          .map(({ label, role, enabled }) => `${label || role}${enabled ? '' : ' (grey)'}`)
      }
      ;(globalThis as Record<string, unknown>)['popped'] = null
    })
    await kigo.page.locator(selector).first().click({ button: 'right' })
    const popped = () => kigo.app.evaluate(() => (globalThis as Record<string, unknown>)['popped'])
    await expect.poll(popped).not.toBeNull()
    return (await popped()) as string[]
  }

  it('offers what can be done in a field', async () => {
    await kigo.app.evaluate(({ clipboard }) => clipboard.writeText('from elsewhere'))
    await kigo.message.fill('some text')
    await kigo.message.selectText()
    const items = await menuOver('.compose textarea')
    expect(items.map((item) => item.replace(' (grey)', ''))).toEqual([
      'Undo',
      'Redo',
      'Cut',
      'Copy',
      'Paste',
      'Select all',
    ])
    expect(items).toEqual(expect.arrayContaining(['Cut', 'Copy', 'Paste', 'Select all']))
  })

  it('copies what is selected in a reply, and nothing where nothing is', async () => {
    const line = kigo.page.getByText('One needle more.').last()
    await line.click()
    expect(await menuOver('main')).toEqual(['Copy (grey)', 'Select all'])
    await line.selectText()
    await line.click({ button: 'right' })
    const popped = () => kigo.app.evaluate(() => (globalThis as Record<string, unknown>)['popped'])
    await expect.poll(popped).toEqual(['Copy', 'Select all'])
  })

  it('copies a link’s address', async () => {
    await kigo.page.evaluate(() => {
      const link = document.createElement('a')
      Object.assign(link, { href: 'https://example.com/copied', textContent: 'a link', id: 'link' })
      link.style.cssText = 'position: fixed; inset: 0; z-index: 1000'
      document.body.append(link)
    })
    expect(await menuOver('#link')).toContain('Copy link')
    await kigo.page.evaluate(() => document.querySelector('#link')?.remove())
  })
})

describe('the size of the page', () => {
  /** Presses a key as the system hands it over, for the menu's accelerators. */
  const press = (keyCode: string) =>
    kigo.app.evaluate(({ BrowserWindow }, key) => {
      const contents = BrowserWindow.getAllWindows()[0]?.webContents
      for (const type of ['keyDown', 'keyUp'] as const)
        contents?.sendInputEvent({ type, keyCode: key, modifiers: ['control'] })
    }, keyCode)
  const zoom = () =>
    kigo.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.webContents.getZoomLevel())

  it.each([
    ['=', '-'],
    ['numadd', 'numsub'],
  ])('grows by Ctrl+%s and shrinks by Ctrl+%s', async (more, less) => {
    await press(more)
    await expect.poll(zoom).toBe(0.5)
    await press(less)
    await expect.poll(zoom).toBe(0)
    await press(less)
    await expect.poll(zoom).toBe(-0.5)
    await press('0')
    await expect.poll(zoom).toBe(0)
  })
})

describe('a window whose screen goes away', () => {
  it('comes back into view', async () => {
    const bounds = await kigo.app.evaluate(({ BrowserWindow, screen }) => {
      const window = BrowserWindow.getAllWindows()[0]
      window?.setPosition(-5000, -3000)
      screen.emit('display-removed', {}, screen.getPrimaryDisplay())
      return { window: window?.getBounds(), area: screen.getPrimaryDisplay().workArea }
    })
    const { area } = bounds
    const x = () => kigo.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.getPosition())
    await expect.poll(async () => (await x())?.[0]).toBeGreaterThanOrEqual(area.x)
    await expect.poll(async () => (await x())?.[1]).toBeGreaterThanOrEqual(area.y)
  })
})
