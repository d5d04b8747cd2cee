import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo } from './kigo.ts'

let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start()
})
afterAll(() => kigo.close())

describe('the first start', () => {
  it('shows what Kigo needs, and nothing to type into', async () => {
    await kigo.page.getByRole('heading', { name: 'Kigo needs a model' }).waitFor()
    expect(await kigo.message.count()).toBe(0)
    expect(await kigo.ask('model.state')).toEqual({ status: 'none', lastPath: null, lastName: null })
    expect(await kigo.ask('model.recents')).toEqual([])
  })

  it('is paper until it knows what to show, and then shows that, whole', async () => {
    await kigo.page.addInitScript(() => {
      const frames: string[] = []
      Object.assign(window, { frames })
      const look = (): void => {
        const has = (what: string) => (document.querySelector(what) === null ? '' : what)
        const foot = document.querySelector('.side-foot')?.getBoundingClientRect().top ?? ''
        const start = document.querySelector('.first .btn')?.getBoundingClientRect().top ?? ''
        const frame = [has('.compose'), has('.first'), has('.wctl'), foot, start].join(' ').trim()
        if (document.body && frames.at(-1) !== frame) frames.push(frame)
        requestAnimationFrame(look)
      }
      requestAnimationFrame(look)
    })
    await kigo.page.reload()
    await kigo.page.getByText(/^Fits, /).waitFor()
    await kigo.page.getByText(/free now/).waitFor()
    const frames = await kigo.page.evaluate(() => (window as unknown as { frames: string[] }).frames)
    expect(frames).toEqual(['', expect.stringMatching(/^\.first \.wctl [\d.]+ [\d.]+$/)])
    const focused = () => kigo.page.evaluate(() => document.activeElement?.textContent)
    await expect.poll(focused).toBe('Start with this one')
  })

  it('opens a frameless window of 1280 × 800 that cannot be made smaller than 640 × 480', async () => {
    const window = await kigo.app.evaluate(({ BrowserWindow }) => {
      const [first] = BrowserWindow.getAllWindows()
      return {
        size: first?.getSize(),
        content: first?.getContentSize(),
        minimum: first?.getMinimumSize(),
        visible: first?.isVisible(),
      }
    })
    expect(window).toEqual({ size: [1280, 800], content: [1280, 800], minimum: [640, 480], visible: true })
  })

  it('paints the theme’s colour before the page does', async () => {
    const colour = await kigo.app.evaluate(({ BrowserWindow, nativeTheme }) => ({
      window: BrowserWindow.getAllWindows()[0]?.getBackgroundColor(),
      dark: nativeTheme.shouldUseDarkColors,
    }))
    expect(colour.window?.toLowerCase()).toBe(colour.dark ? '#16191c' : '#f9fbfa')
  })

  it('offers the menu from the title bar, with the haiku test and the logs', async () => {
    const labels = await kigo.app.evaluate(({ Menu }) =>
      Menu.getApplicationMenu()?.items.map(
        (item) => [item.label, item.submenu?.items.map((sub) => sub.label).filter(Boolean)] as const,
      ),
    )
    expect(labels?.map(([label]) => label)).toEqual(['File', 'Edit', 'View', 'Help'])
    expect(labels?.at(-1)?.[1]).toEqual(['Keyboard shortcuts', 'Haiku test', 'Open logs'])
  })

  it('pops that menu up at the button "Menu"', async () => {
    const shown = kigo.app.evaluate(
      ({ Menu }) =>
        new Promise<string>((resolve) => {
          const menu = Menu.getApplicationMenu()
          menu?.once('menu-will-show', () => {
            // Closed again at once: an open native menu would take every key.
            setTimeout(() => menu.closePopup(), 100)
            resolve('shown')
          })
        }),
    )
    await kigo.page.getByRole('button', { name: 'Menu' }).click()
    expect(await shown).toBe('shown')
  })

  it('has no chat to begin, and begins none', async () => {
    await kigo.page.getByRole('button', { name: 'New chat' }).click()
    await kigo.page.getByRole('heading', { name: 'Kigo needs a model' }).waitFor()
    await kigo.page.getByText('Conversations appear here.').waitFor()
  })

  it('lists the model that comes with Kigo among the models, with its card', async () => {
    await kigo.menu('Models')
    const models = kigo.page.getByRole('region', { name: 'Models' })
    await models
      .getByRole('button', { name: /SmolLM2 135M Instruct.*comes with Kigo/s, pressed: true })
      .waitFor()
    await models.getByRole('heading', { name: 'SmolLM2 135M Instruct' }).waitFor()
    await models.getByRole('button', { name: 'Load', exact: true }).waitFor()
    await kigo.page.keyboard.press('Escape')
    await kigo.page.getByRole('heading', { name: 'Kigo needs a model' }).waitFor()
  })

  it('starts with the model that comes with Kigo', async () => {
    await kigo.page.getByText('Q4_1').first().waitFor()
    await kigo.page.getByRole('button', { name: 'Start with this one' }).click()
    await kigo.loaded()
    await kigo.message.waitFor()
    await expect.poll(() => kigo.message.evaluate((element) => element === document.activeElement)).toBe(true)
  })

  it('runs without a complaint in its console', () => {
    expect(kigo.complaints).toEqual([])
  })
})
