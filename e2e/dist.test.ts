/** The packaged app, from a read-only folder whose name has a space and letters beyond ASCII. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { FuseV1Options, getCurrentFuseWire } from '@electron/fuses'
import { chromium, type Browser, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }

const run = promisify(execFile)
const root = path.dirname(import.meta.dirname)
const asRoot = process.getuid?.() === 0

/** A fuse is a character in the program. */
const ON = '1'.charCodeAt(0)

const scratch = mkdtempSync(path.join(tmpdir(), 'kigo-dist-'))
const app = path.join(scratch, 'Kigo für 俳句')
const program = path.join(app, 'Kigo')
const launcher = path.join(app, 'bin', 'kigo')
const model = path.join(app, 'resources', 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf')
let contents: string[] = []

beforeAll(async () => {
  await run(process.execPath, [path.join(root, 'scripts', 'dist.mjs'), '--allow-fallback', '--no-cuda'], {
    cwd: root,
    maxBuffer: 2 ** 26,
  })
  cpSync(path.join(root, 'release', 'linux-unpacked'), app, { recursive: true })
  forEachEntry(app, (entry) => chmodSync(entry, statSync(entry).mode & ~0o222))
  contents = listing()
})

afterAll(() => {
  forEachEntry(app, (entry) => chmodSync(entry, statSync(entry).mode | 0o200))
  rmSync(scratch, { recursive: true, force: true })
})

describe('the program', () => {
  let child: ChildProcess
  let browser: Browser | undefined

  afterEach(async () => {
    await browser?.close()
    if (child.exitCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill()
    await gone
  })

  it('opens a model that is given and replies, and writes nothing beside itself', async () => {
    const started = start([model])
    child = started.child
    const endpoint = await started.endpoint
    await pageShown(endpoint)
    browser = await chromium.connectOverCDP(endpoint)
    const page = await onlyPage(browser)
    const message = page.getByRole('textbox', { name: 'Message' })
    await message.fill('Name one season of the year.')
    await message.press('Enter')
    const reply = page.getByRole('article', { name: 'Assistant' })
    await expect.poll(() => reply.innerText(), { timeout: 60_000 }).toMatch(/\w+ \w+/)
    const stop = page.getByRole('button', { name: 'Stop' })
    if (await stop.isVisible()) await stop.click({ timeout: 2000 }).catch(() => {}) // it may just have ended
    await page.getByRole('button', { name: 'Send' }).waitFor()
    expect(listing()).toEqual(contents)
  })
})

describe('the fuses', () => {
  it('are those of a release', async () => {
    const wire = await getCurrentFuseWire(program)
    const state = (fuse: FuseV1Options) => (Number(wire[fuse]) === ON ? 'on' : 'off')
    expect(state(FuseV1Options.RunAsNode)).toBe('off')
    expect(state(FuseV1Options.EnableNodeOptionsEnvironmentVariable)).toBe('off')
    expect(state(FuseV1Options.EnableNodeCliInspectArguments)).toBe('off')
    expect(state(FuseV1Options.OnlyLoadAppFromAsar)).toBe('on')
    expect(state(FuseV1Options.EnableEmbeddedAsarIntegrityValidation)).toBe('on')
    expect(state(FuseV1Options.GrantFileProtocolExtraPrivileges)).toBe('off')
  })

  it('keep the program from being used as Node', async () => {
    const { stdout } = await run(launcher, ['--version'], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    })
    expect(stdout).toBe(`kigo ${packageJson.version}\n`)
  })
})

describe('the command', () => {
  const withoutDisplay = { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '' }

  it('tells its version, without a display', async () => {
    const { stdout, stderr } = await run(launcher, ['--version'], { env: withoutDisplay })
    expect(stdout).toBe(`kigo ${packageJson.version}\n`)
    expect(stderr).toBe('')
  })

  it('runs the model that the package carries, known by its name', async () => {
    const args = [
      'run',
      '--model',
      'smollm2',
      '--prompt',
      'Name one season.',
      '--temp',
      '0',
      '--max-tokens',
      '12',
      '--json',
    ]
    const { stdout } = await run(launcher, args, { env: withoutDisplay })
    const result: unknown = JSON.parse(stdout)
    expect(result).toMatchObject({
      text: expect.stringMatching(/\S/),
      reason: expect.stringMatching(/^(end|length)$/),
    })
  })

  it('says what is wrong on stderr and exits with 1', async () => {
    const failed = run(launcher, ['run', '--model', '/no/such.gguf', '--prompt', 'x'], {
      env: withoutDisplay,
    })
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error MODEL_NOT_FOUND: /),
    })
  })
})

/** Starts the program with a profile of its own; `endpoint` is where its debugging port listens. */
function start(args: string[]): { child: ChildProcess; endpoint: Promise<string> } {
  const sandbox = asRoot ? ['--no-sandbox'] : []
  const child = spawn(program, [...sandbox, '--remote-debugging-port=0', ...args], {
    env: { ...process.env, KIGO_USER_DATA: path.join(scratch, 'profile') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const endpoint = new Promise<string>((done, fail) => {
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words += text
      const url = /DevTools listening on (ws:\S+)/.exec(words)?.[1]
      if (url) done(url)
    })
    child.once('exit', (code) => fail(new Error(`The program ended with ${code}: ${words}`)))
  })
  return { child, endpoint }
}

/**
 * Resolves when the page at this debugging port has its title. Playwright that attaches while the window is being
 * made at times waits for ever.
 */
async function pageShown(endpoint: string): Promise<void> {
  const list = `http://${new URL(endpoint).host}/json/list`
  const titles = async () => {
    const targets = (await (await fetch(list)).json()) as { type: string; title: string }[]
    return targets.filter(({ type }) => type === 'page').map(({ title }) => title)
  }
  await expect.poll(titles, { timeout: 30_000 }).toEqual([expect.stringContaining('Kigo')])
}

async function onlyPage(browser: Browser): Promise<Page> {
  const context = browser.contexts()[0]
  if (!context) throw new Error('The program shows no page')
  return context.pages()[0] ?? context.waitForEvent('page')
}

function forEachEntry(folder: string, visit: (entry: string) => void): void {
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    visit(path.join(folder, entry))
  visit(folder)
}

/** Every entry of the app's folder with its size and time. */
function listing(): string[] {
  const entries = readdirSync(app, { recursive: true, encoding: 'utf8' }).sort()
  return entries.map((entry) => {
    const { size, mtimeMs } = statSync(path.join(app, entry))
    return `${entry} ${size} ${mtimeMs}`
  })
}
