/**
 * "Restart Kigo" after a GPU was lost. Playwright's launcher ends with the first process, so the app is driven through
 * its debugging port, which the second one opens again: it is started with the same arguments.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { chromium, type Browser, type Page } from 'playwright'
import { afterEach, expect, it } from 'vitest'
import { inherited, newProfile, PATIENCE, removeProfile, root, sandbox } from './kigo.ts'
import { realModel } from './models.ts'

const profile = newProfile()
let child: ChildProcess | undefined
/** The process of the app that was last attached to. */
let pid = 0
let browser: Browser | undefined

afterEach(async () => {
  await browser?.close()
  for (const running of [child?.exitCode === null ? child.pid : undefined, pid]) if (running) kill(running)
  removeProfile(profile)
})

it('a lost GPU: Restart Kigo ends the process, and a new one has the model and the GPU again', async () => {
  const port = await freePort()
  const executable = process.env['KIGO_TEST_ELECTRON']
  if (!executable) throw new Error('e2e/set-up.ts has not run')
  child = spawn(executable, [root, ...sandbox(), `--remote-debugging-port=${port}`, realModel('smollm2')], {
    env: {
      ...inherited(),
      KIGO_USER_DATA: profile,
      KIGO_GPU_LIBRARY: path.join(root, 'dist', 'native', 'libkigo_fake.so'),
      KIGO_FAKE: 'compute,name=Weak GPU,lost_at=120',
    },
    stdio: 'ignore',
  })
  const ended = new Promise((done) => child?.once('exit', done))

  let page = await attach(port)
  const first = pid
  await loadedOnGpu(page)
  const message = page.getByRole('textbox', { name: 'Message' })
  await message.fill('Write a long story about a lighthouse keeper, a storm and a lost ship.')
  await message.press('Enter')
  await page.getByRole('heading', { name: 'The fake device is lost' }).waitFor({ timeout: PATIENCE })
  await page.getByText('A restart of Kigo ends it').first().waitFor()
  await page.getByRole('button', { name: 'Restart Kigo' }).click()
  await ended

  page = await attach(port)
  expect(pid).not.toBe(first)
  await loadedOnGpu(page)
  expect(await page.getByRole('alert').count()).toBe(0)
})

/** The app's page at this port, once it is there; `pid` is its process then. */
async function attach(port: number): Promise<Page> {
  await browser?.close()
  const list = `http://127.0.0.1:${port}/json/list`
  const titles = async (): Promise<string[]> => {
    const answer = await fetch(list).catch(() => null) // nobody listens yet
    const targets = answer ? ((await answer.json()) as { type: string; title: string }[]) : []
    return targets.filter(({ type }) => type === 'page').map(({ title }) => title)
  }
  await expect.poll(titles, { timeout: PATIENCE }).toEqual([expect.stringContaining('Kigo')])
  browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`)
  const { processInfo } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getProcessInfo')
  pid = processInfo.find(({ type }) => type === 'browser')?.id ?? 0
  const page = browser.contexts()[0]?.pages()[0]
  if (!page) throw new Error('The app shows no page')
  return page
}

async function loadedOnGpu(page: Page): Promise<void> {
  const state = () => page.evaluate(() => window.kigo.request('model.state', null))
  await expect
    .poll(state, { timeout: PATIENCE })
    .toMatchObject({ ok: true, data: { status: 'loaded', model: { device: 'fake:0' } } })
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })
}

function kill(running: number): void {
  try {
    process.kill(running, 'SIGKILL')
  } catch {
    // it has ended by itself
  }
}
