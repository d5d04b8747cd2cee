/** What the window shows of the model: from its first frame, through a load, to a chat. */
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { button, composer, eventually, focused, hold, inBrowser } from './testing.ts'

const { check, open } = inBrowser('model-state.test.ts')

/** Everything that moved or was shown in one frame and not in the next, from now on. */
async function watch(page: Page): Promise<() => Promise<{ shifts: string[]; views: string[] }>> {
  await page.evaluate(() => {
    const seen = { shifts: [] as string[], views: [] as string[] }
    Object.assign(window, { seen })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { sources } = entry as PerformanceEntry & { sources: { node: Node | null }[] }
        for (const { node } of sources) {
          const element = node instanceof Element ? node : node?.parentElement
          seen.shifts.push(element?.outerHTML.slice(0, 120) ?? '?')
        }
      }
    }).observe({ type: 'layout-shift' })
    const look = (): void => {
      const view =
        document.querySelector('.first h1') !== null
          ? 'first run'
          : document.querySelector('.load') !== null
            ? 'loading'
            : document.querySelector('.start') !== null
              ? 'empty chat'
              : document.querySelector('[role="log"]') !== null
                ? 'transcript'
                : document.querySelector('.shell') === null
                  ? 'paper'
                  : 'nothing'
      const now = `${view}, ${document.querySelector('.pick .name')?.textContent ?? 'no name'}`
      if (seen.views.at(-1) !== now) seen.views.push(now)
      requestAnimationFrame(look)
    }
    look()
  })
  return () =>
    page.evaluate(() => (window as unknown as { seen: { shifts: string[]; views: string[] } }).seen)
}

const named = (views: string[], name: string) => views.map((view) => view.replace(`, ${name}`, ''))

check(
  'a load whose answer overtakes its event ends all the same: the meter counts, the models are counted',
  async () => {
    const page = await open('scene=idle')
    await eventually(() => button(page, 'Models 6').count()).toBe(1)
    await page.evaluate(() => {
      window.kigoScene.recents.pop()
      window.kigoScene.holds = ['events']
    })
    const answer = page.evaluate(() =>
      window.kigo.request('model.load', { path: window.kigoScene.recents[0]?.path ?? '' }),
    )
    expect(await answer).toMatchObject({ ok: true, data: { status: 'loaded' } })
    // Nothing was told yet, so nothing is shown.
    await page.getByText('Load Qwen3 8B again').waitFor()
    await hold(page)
    await page.getByRole('button', { name: /^Context: / }).waitFor()
    await eventually(() => button(page, 'Models 5').count()).toBe(1)
  },
)

check('until the first view is known the window is paper, and the frame after it is right', async () => {
  const page = await open('scene=starting')
  const seen = await watch(page)
  expect(await page.locator('.app').innerText()).toBe('')
  await hold(page)
  await page.getByRole('log').waitFor()
  await button(page, 'Close').waitFor()
  expect((await seen()).views).toEqual(['paper, no name', 'transcript, Qwen3 8B'])
})

check('the first run is the first frame, with a focus, and stands still when the rest arrives', async () => {
  const page = await open('scene=firstrun')
  // Once more, with main slower than the page.
  await page.addInitScript(() => {
    window.kigoScene.holds = ['chat.list', 'devices.list', 'model.inspect']
  })
  await page.reload()
  const seen = await watch(page)
  await hold(page, 'devices.list', 'model.inspect')
  await page.getByRole('heading', { name: 'Kigo needs a model' }).waitFor()
  await eventually(() => focused(page)).toBe('Start with this one')
  await hold(page)
  await page.getByText(/^Fits, /).waitFor()
  await page.getByText(/free now/).waitFor()
  await page.locator('.device .num').waitFor()
  expect(await seen()).toEqual({ shifts: [], views: ['paper, no name', 'first run, No model loaded'] })
})

check('a load that is over in a moment goes from the first run to the chat, with one name', async () => {
  const page = await open('scene=firstrun')
  await page.getByText(/^Fits, /).waitFor()
  await page.evaluate(() => void (window.kigoScene.loadMs = 0))
  const seen = await watch(page)
  await button(page, 'Start with this one').press('Enter')
  await composer(page).waitFor()
  await eventually(() => focused(page)).toBe('Message')
  const { views } = await seen()
  expect(views).toEqual(['first run, No model loaded', 'empty chat, SmolLM2 135M Instruct'])
})

check('a load that takes longer shows itself, without a figure before there is one', async () => {
  const page = await open('scene=idle')
  await page.evaluate(() => void (window.kigoScene.loadHolds = 0))
  const seen = await watch(page)
  await button(page, 'Load Qwen3 8B again').click()
  await page.getByRole('heading', { name: 'Loading Qwen3 8B' }).waitFor()
  expect(await page.locator('.load').innerText()).not.toMatch(/\/s|left/)
  await page.evaluate(() => Object.assign(window.kigoScene, { loadHolds: 1, loadMs: 1_000_000 }))
  await eventually(() => page.locator('.load').innerText()).toMatch(
    /at [\d.]+ [KMG]iB\/s, about [\d,]+ s left/,
  )
  await page.evaluate(() => void (window.kigoScene.loadMs = 1))
  await button(page, 'Unload model').waitFor()
  expect(named((await seen()).views, 'Qwen3 8B')).toEqual(['empty chat', 'loading', 'empty chat'])
})

check('the card of the model in use shows how it was loaded, until the settings say otherwise', async () => {
  const page = await open('scene=settings')
  const card = page.locator('.card')
  const length = card.getByRole('spinbutton', { name: 'Context length', exact: true })
  const reload = async (): Promise<void> => {
    await button(page, 'Reload').click()
    await composer(page).waitFor()
  }
  const models = () => page.getByRole('button', { name: /^Models/ }).click()
  const held = (tokens: string) =>
    eventually(() => page.locator('.ctx').last().innerText()).toContain(`of ${tokens}`)
  // On its card, for this one load.
  await models()
  await length.fill('4096')
  await length.press('Enter')
  await reload()
  await held('4,096')
  await models()
  await eventually(() => length.inputValue()).toBe('4,096')
  await reload()
  // In the settings, for every load.
  const setting = page.locator('.panel').getByRole('spinbutton', { name: 'Context length', exact: true })
  await setting.fill('2048')
  await setting.press('Enter')
  await eventually(() => page.evaluate(() => window.kigoScene.info.loadSettings.contextLength)).toBe(2048)
  await models()
  await eventually(() => length.getAttribute('placeholder')).toBe('2,048')
  expect(await length.inputValue()).toBe('')
  await reload()
  await held('2,048')
})

check('a setting that is saved while a file is being read leaves its card to be read anew', async () => {
  const page = await open('scene=settings')
  const info = () => page.evaluate(() => window.kigoScene.info.loadSettings.contextLength)
  const setting = page.locator('.panel').getByRole('spinbutton', { name: 'Context length', exact: true })
  await setting.fill('2048')
  await setting.press('Enter')
  await eventually(info).toBe(2048)
  await hold(page, 'settings.load')
  await setting.fill('1024')
  await setting.press('Enter')
  await page.evaluate(() => {
    // The only one: the list would read the file once more, on its way through the others.
    window.kigoScene.recents.length = 1
    window.kigoScene.inspectHolds = true
  })
  await page.getByRole('button', { name: /^Models/ }).click()
  await page
    .locator('.card')
    .getByText(/^Reading /)
    .waitFor()
  await hold(page)
  await eventually(info).toBe(1024)
  await page.evaluate(() => void (window.kigoScene.inspectHolds = false))
  await page.locator('.card').getByRole('button', { name: 'Reload', exact: true }).waitFor()
})

check('another model chosen while one loads takes its place, with nothing between', async () => {
  const page = await open('scene=loading')
  await page.getByRole('heading', { name: 'Loading Qwen3 8B' }).waitFor()
  const seen = await watch(page)
  await page.locator('.pick').click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Llama/ })
    .click()
  await page.getByRole('heading', { name: 'Loading Llama 3.1 8B Instruct' }).waitFor()
  expect((await seen()).views).toEqual(['loading, Qwen3 8B', 'loading, Llama 3.1 8B Instruct'])
})

check('the end of a reply moves nothing', async () => {
  const page = await open('scene=empty')
  await page.evaluate(() => {
    window.kigoScene.reply = { text: 'One.\n\nTwo.\n\n', tokensPerSecond: 400, prefillMs: 0, holdAt: 10 }
  })
  await composer(page).fill('Go on')
  await page.keyboard.press('Enter')
  await page.getByRole('article').getByText('Two.').waitFor()
  const places = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('article, .it > .foot, .compose')].map((element) => {
        const { top, height } = element.getBoundingClientRect()
        return [top, height]
      }),
    )
  const before = await places()
  await page.evaluate(() => void (window.kigoScene.reply.holdAt = Infinity))
  await page.locator('.stats').waitFor()
  expect(await places()).toEqual(before)
})

check('an empty chat has three lines to begin with: each fills the composer, none is sent', async () => {
  const page = await open('scene=empty')
  expect(await page.getByText(/haiku/i).count()).toBe(0)
  const starters = page.locator('.start li button:not(:has(.icon))')
  expect(await starters.count()).toBe(3)
  for (const starter of await starters.all()) {
    const words = await starter.innerText()
    await starter.press('Enter')
    expect(await composer(page).inputValue()).toBe(words)
    await eventually(() => focused(page)).toBe('Message')
  }
  const last = await starters.last().innerText()
  await composer(page).fill('My own words')
  await starters.last().click()
  expect(await composer(page).inputValue()).toBe(`${last}\nMy own words`)
  expect(await page.getByRole('article').count()).toBe(0)
})

check('Enter without a model loads the one of last time, and what was written waits for it', async () => {
  const page = await open('scene=idle')
  await composer(page).fill('Hello')
  await page.keyboard.press('Enter')
  await page.getByRole('article', { name: 'You' }).getByText('Hello').waitFor()
  await button(page, 'Unload model').waitFor()
  await eventually(() => page.getByRole('article', { name: 'Assistant' }).innerText()).toMatch(
    /^A true single/,
  )
})

check(
  'with a conversation on screen and no model its load stays in view; with none known Enter says why',
  async () => {
    const page = await open('scene=chat')
    await button(page, 'Unload model').click()
    const again = button(page, 'Load Qwen3 8B again')
    await again.waitFor()
    expect(await again.evaluate((element) => element.closest('.scroll'))).toBeNull()
    await again.click()
    await button(page, 'Unload model').click()
    await again.waitFor()

    const other = await open('scene=error')
    await composer(other).fill('Hello')
    await other.keyboard.press('Enter')
    const alert = other.getByRole('alert').filter({ hasText: 'nothing was sent' })
    await alert.getByRole('button', { name: 'Open file' }).waitFor()
    expect(await composer(other).inputValue()).toBe('Hello')
    expect(await other.getByRole('article').filter({ hasText: 'Hello' }).count()).toBe(0)
  },
)

check('that a model only completes text stays in the title bar, however narrow the window is', async () => {
  for (const width of [1280, 640]) {
    const page = await open('scene=base', { width, height: 480 })
    const words = page.locator('.pick').getByText('Base model, completes text', { exact: true })
    await words.waitFor()
    const inside = await words.evaluate((element) => {
      const { right } = element.getBoundingClientRect()
      return right <= (element.closest('.pick')?.getBoundingClientRect().right ?? 0)
    })
    expect(inside).toBe(true)
  }
})
