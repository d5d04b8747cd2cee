/**
 * Pictures of every state, to look at beside the design: `node renderer/dev/shots.mjs [FOLDER] [NAME…]`.
 */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { openBrowser } from './browser.mjs'

const [folder = 'test-results/renderer', ...only] = process.argv.slice(2)
await mkdir(folder, { recursive: true })

const click = (name) => (page) => page.getByRole('button', { name, exact: true }).click()
const NARROW = { width: 720, height: 600 }

/** name, query, size, what to do first. */
const SHOTS = [
  [
    'chat-light',
    'scene=chat',
    {},
    (page) =>
      page.getByRole('textbox', { name: 'Message' }).fill('Now the same on the device. One warp a row.'),
  ],
  ['chat-dark', 'scene=chat&theme=dark'],
  ['empty-light', 'scene=empty'],
  ['idle-light', 'scene=idle'],
  ['firstrun-light', 'scene=firstrun'],
  ['firstrun-dark', 'scene=firstrun&theme=dark'],
  ['loading-light', 'scene=loading', {}, (page) => page.waitForTimeout(2500)],
  ['loadingchat-light', 'scene=loadingchat', {}, (page) => page.waitForTimeout(2500)],
  ['streaming-light', 'scene=streaming', {}, (page) => page.waitForTimeout(800)],
  ['prefill-dark', 'scene=prefill&theme=dark', {}, (page) => page.waitForTimeout(600)],
  ['context-light', 'scene=context'],
  ['toolong-dark', 'scene=toolong&theme=dark'],
  ['toolong-small-light', 'scene=toolong', { width: 640, height: 480 }],
  ['settings-light', 'scene=settings'],
  [
    'settings-dark',
    'scene=settings&theme=dark',
    {},
    (page) => page.getByLabel('Season').scrollIntoViewIfNeeded(),
  ],
  [
    'selector-light',
    'scene=chat',
    {},
    async (page) => {
      await page.locator('.pick').click()
      await page.waitForTimeout(400)
    },
  ],
  [
    'meter-light',
    'scene=chat',
    {},
    async (page) => {
      await page.getByRole('textbox', { name: 'Message' }).fill('One warp a row.')
      await page.waitForTimeout(300)
      await page.getByRole('button', { name: /^Context:/ }).click()
      await page.waitForTimeout(300)
    },
  ],
  [
    'stats-light',
    'scene=chat',
    {},
    async (page) => {
      await page.locator('button.stats').click()
      await page.waitForTimeout(300)
    },
  ],
  [
    'models-light',
    'scene=chat',
    {},
    async (page) => {
      await click('Open model')(page)
      await page.waitForTimeout(300)
    },
  ],
  [
    'models-dark',
    'scene=chat&theme=dark',
    {},
    async (page) => {
      await click('Open model')(page)
      await page.waitForTimeout(300)
    },
  ],
  [
    'modelproblem-light',
    'scene=chat',
    {},
    async (page) => {
      await click('Open model')(page)
      await page.getByRole('button', { name: /Tekken/ }).click()
    },
  ],
  [
    'modelbig-light',
    'scene=chat',
    {},
    async (page) => {
      await click('Open model')(page)
      await page.getByRole('button', { name: /14B/ }).click()
      await page.waitForTimeout(200)
    },
  ],
  ...['light', 'dark'].flatMap((theme) => [
    [
      `overfull-${theme}`,
      `scene=gpu&theme=${theme}`,
      {},
      async (page) => {
        await click('Open model')(page)
        const field = page.getByRole('spinbutton', { name: 'Context length' })
        await field.fill('131072')
        await field.press('Enter')
        await page.waitForTimeout(400)
      },
    ],
    [
      `overfull-small-${theme}`,
      `scene=gpu&theme=${theme}`,
      { width: 640, height: 480 },
      async (page) => {
        await click('Open model')(page)
        const field = page.getByRole('spinbutton', { name: 'Context length' })
        await field.fill('131072')
        await field.press('Enter')
        await page.waitForTimeout(400)
        await page.locator('.mem').scrollIntoViewIfNeeded()
      },
    ],
    [
      `split-${theme}`,
      `scene=gpu&theme=${theme}`,
      {},
      async (page) => {
        await click('Open model')(page)
        await page.getByRole('button', { name: /14B/ }).click()
        await page.waitForTimeout(200)
      },
    ],
    [
      `gpusettings-${theme}`,
      `scene=gpusettings&theme=${theme}`,
      {},
      (page) => page.getByText('Appearance').scrollIntoViewIfNeeded(),
    ],
    [`lost-${theme}`, `scene=lost&theme=${theme}`],
  ]),
  [
    'gpucard-light',
    'scene=gpu',
    {},
    async (page) => {
      await click('Open model')(page)
      await page.waitForTimeout(300)
    },
  ],
  ['error-light', 'scene=error'],
  ['replyerror-dark', 'scene=replyerror&theme=dark', {}, (page) => page.getByText('Details').click()],
  [
    'sendfails-light',
    'scene=sendfails',
    {},
    async (page) => {
      await page.getByRole('textbox', { name: 'Message' }).fill('Hello')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').waitFor()
    },
  ],
  ['scripts-light', 'scene=scripts'],
  [
    'haiku-dark-autumn',
    'scene=empty&theme=dark&season=autumn',
    {},
    async (page) => {
      await page.getByRole('button', { name: /haiku test/ }).click()
      await page.locator('.poem').waitFor()
    },
  ],
  [
    'shortcuts-light',
    'scene=chat',
    {},
    async (page) => {
      await page.keyboard.press('Control+/')
      await page.waitForTimeout(300)
    },
  ],
  [
    'drop-light',
    'scene=chat',
    {},
    (page) =>
      page.evaluate(() => {
        const data = new DataTransfer()
        data.items.add(new File([], 'x.gguf'))
        window.dispatchEvent(new DragEvent('dragenter', { dataTransfer: data }))
      }),
  ],
  [
    'undo-light',
    'scene=chat',
    {},
    async (page) => {
      await page.getByRole('button', { name: 'Why Canberra is the capital', exact: true }).hover()
      await page.getByRole('button', { name: 'Delete Why Canberra is the capital' }).click()
    },
  ],
  [
    'mid-settings-light',
    'scene=chat',
    { width: 1000, height: 700 },
    async (page) => {
      await click('Settings')(page)
      await page.waitForTimeout(400)
    },
  ],
  ['width-900-light', 'scene=chat', { width: 900, height: 700 }],
  ['narrow-light', 'scene=chat', NARROW],
  [
    'narrow-settings-dark',
    'scene=chat&theme=dark',
    NARROW,
    async (page) => {
      await click('Settings')(page)
      await page.waitForTimeout(400)
    },
  ],
  [
    'narrow-sidebar-light',
    'scene=chat',
    NARROW,
    async (page) => {
      await click('Show sidebar')(page)
      await page.waitForTimeout(400)
    },
  ],
  [
    'narrow-models-light',
    'scene=chat',
    NARROW,
    async (page) => {
      await click('Open model')(page)
      await page.waitForTimeout(300)
    },
  ],
  ['small-light', 'scene=streaming', { width: 640, height: 480 }, (page) => page.waitForTimeout(800)],
  ['small-firstrun-dark', 'scene=firstrun&theme=dark', { width: 640, height: 480 }],
  [
    'small-loading-light',
    'scene=loadingchat',
    { width: 640, height: 480 },
    (page) => page.waitForTimeout(1500),
  ],
  [
    'scrolled-light',
    'scene=long',
    {},
    async (page) => {
      await page.mouse.move(700, 400)
      await page.mouse.wheel(0, -1500)
      await page.waitForTimeout(300)
    },
  ],
  ['forced-colors', 'scene=settings', { forcedColors: 'active' }],
]

const window = await openBrowser()
for (const [name, query, size, prepare] of SHOTS) {
  if (only.length > 0 && !only.includes(name)) continue
  const page = await window.open(query, size)
  page.on('pageerror', (error) => console.error(`${name}: ${error}`))
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`${name}: ${message.text()}`)
  })
  await prepare?.(page)
  await page.waitForTimeout(100)
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
  await page.context().close()
}
await window.close()
