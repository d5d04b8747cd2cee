/**
 * The packaged app, from a read-only folder whose name has a space and letters beyond ASCII: the release, and for what
 * only a debugger sees a package that differs from it by main/test-hooks.ts alone.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
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
const release = packageAt('Kigo für 俳句')
const hooked = packageAt('Kigo für Prüfungen')
let contents: string[] = []
const profiles: string[] = []

/** A profile of its own for each start: what it holds in the end is that start's. */
function newProfile(): string {
  const profile = path.join(scratch, `profile-${profiles.length}`)
  profiles.push(profile)
  return profile
}

beforeAll(async () => {
  await makePackage([], path.join(root, 'release'), release.folder)
  await makePackage(['--test-hooks'], path.join(root, 'build', 'package', 'with-test-hooks'), hooked.folder)
  contents = listing(hooked.folder)
})

afterAll(() => {
  for (const { folder } of [release, hooked])
    forEachEntry(folder, (entry) => chmodSync(entry, statSync(entry).mode | 0o200))
  rmSync(scratch, { recursive: true, force: true, maxRetries: 9, retryDelay: 300 })
})

describe('the program', () => {
  const running: Started[] = []
  let browser: Browser | undefined

  afterEach(async () => {
    await browser?.close()
    browser = undefined
    for (const { child, ended } of running.splice(0)) {
      child.kill()
      await ended
    }
  })
  const open = (...given: Parameters<typeof start>): Started => {
    const started = start(...given)
    running.push(started)
    return started
  }

  it('opens a model that is given and replies, and writes nothing beside itself', async () => {
    const { endpoint } = open(hooked, ['--remote-debugging-port=0', hooked.model])
    await pageShown(await endpoint)
    browser = await chromium.connectOverCDP(await endpoint)
    const page = await onlyPage(browser)
    const message = page.getByRole('textbox', { name: 'Message' })
    await message.fill('Name one season of the year.')
    await message.press('Enter')
    const reply = page.getByRole('article', { name: 'Assistant' })
    await expect.poll(() => reply.innerText(), { timeout: 60_000 }).toMatch(/\w+ \w+/)
    const stop = page.getByRole('button', { name: 'Stop' })
    if (await stop.isVisible()) await stop.click({ timeout: 2000 }).catch(() => {}) // it may just have ended
    await page.getByRole('button', { name: 'Send' }).waitFor()
    expect(listing(hooked.folder)).toEqual(contents)
  })

  it('lets itself be debugged where it has the hooks of tests', async () => {
    const { profile, endpoint } = open(hooked, ['--remote-debugging-port=0'])
    await endpoint
    expect(existsSync(path.join(profile, 'DevToolsActivePort'))).toBe(true)
  })

  it('as a release waits for nobody and lets nobody debug it', async () => {
    const flags = ['--remote-debugging-port=0', '--remote-allow-origins=*', '--inspect=0']
    const { profile, words } = open(release, [...flags, release.model], {
      KIGO_WAIT_FOR_PLAYWRIGHT: '1',
      NODE_OPTIONS: '--inspect=0',
    })
    await expect.poll(() => lastModel(profile)).toBe(release.model)
    expect(existsSync(path.join(profile, 'DevToolsActivePort'))).toBe(false)
    expect(words()).not.toMatch(/listening/i)
  })

  it('answers a debugger at its pipes only where it has the hooks of tests', async () => {
    const withHooks = open(hooked, ['--remote-debugging-pipe'])
    await expect.poll(withHooks.answered).toContain('protocolVersion')
    const without = open(release, ['--remote-debugging-pipe', release.model])
    await expect.poll(() => lastModel(without.profile)).toBe(release.model)
    expect(without.answered()).toBe('')
  })

  it('takes what stands behind the end of the switches for a file, whatever its name', async () => {
    const victim = path.join(scratch, 'net-log')
    writeFileSync(victim, 'precious')
    const name = `--log-net-log=${path.basename(victim)}`
    linkSync(release.model, path.join(scratch, name))
    const { profile } = open(release, ['--', name])
    await expect.poll(() => lastModel(profile)).toBe(path.join(scratch, name))
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })
})

describe('the fuses', () => {
  it('are those of a release', async () => {
    const wire = await getCurrentFuseWire(release.program)
    const state = (fuse: FuseV1Options) => (Number(wire[fuse]) === ON ? 'on' : 'off')
    expect(state(FuseV1Options.RunAsNode)).toBe('off')
    expect(state(FuseV1Options.EnableNodeOptionsEnvironmentVariable)).toBe('off')
    expect(state(FuseV1Options.EnableNodeCliInspectArguments)).toBe('off')
    expect(state(FuseV1Options.OnlyLoadAppFromAsar)).toBe('on')
    expect(state(FuseV1Options.EnableEmbeddedAsarIntegrityValidation)).toBe('on')
    expect(state(FuseV1Options.GrantFileProtocolExtraPrivileges)).toBe('off')
  })

  it('cover all scripts: they lie in the archive, and only native libraries beside it', () => {
    const unpacked = path.join(release.folder, 'resources', 'app.asar.unpacked')
    const files = readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    expect(files.map(({ name }) => name)).toContain('kigo.node')
    for (const { name } of files) expect(name).toMatch(/\.(node|so)$/)
  })

  it('keep the program from being used as Node', async () => {
    const { stdout } = await run(release.command, ['--version'], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    })
    expect(stdout).toBe(`kigo ${packageJson.version}\n`)
  })
})

describe('the command', () => {
  const withoutDisplay = { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '' }

  it('tells its version, without a display', async () => {
    const { stdout, stderr } = await run(release.command, ['--version'], { env: withoutDisplay })
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
    const { stdout } = await run(release.command, args, { env: withoutDisplay })
    const result: unknown = JSON.parse(stdout)
    expect(result).toMatchObject({
      text: expect.stringMatching(/\S/),
      reason: expect.stringMatching(/^(end|length)$/),
    })
  })

  it('says what is wrong on stderr and exits with 1', async () => {
    const failed = run(release.command, ['run', '--model', '/no/such.gguf', '--prompt', 'x'], {
      env: withoutDisplay,
    })
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error MODEL_NOT_FOUND: /),
    })
  })

  it('gives a release no GPU library but its own', async () => {
    const env = {
      ...withoutDisplay,
      KIGO_GPU_LIBRARY: path.join(root, 'dist', 'native', 'libkigo_fake.so'),
      KIGO_FAKE: 'compute',
    }
    const devices = async ({ command }: Package) => {
      const { stdout } = await run(command, ['devices', '--json'], { env })
      return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)
    }
    expect(await devices(hooked)).toContain('fake:0')
    expect(await devices(release)).not.toContain('fake:0')
  })

  describe('takes for a prompt what Chromium, Electron and Node would take for a switch', () => {
    const folder = path.join(scratch, 'work')
    const victim = path.join(folder, 'victim')
    const evil = path.join(folder, 'evil.cjs')
    const before = ['evil.cjs', 'victim']
    beforeAll(() => {
      mkdirSync(folder)
      writeFileSync(victim, 'precious')
      writeFileSync(evil, `require('node:fs').writeFileSync(${JSON.stringify(victim)}, 'overwritten')`)
    })

    it.each([
      `--log-net-log=${victim}`,
      `-log-net-log=${victim}`,
      `--trace-startup-file=${victim}`,
      `--log-file=${victim}`,
      `--user-data-dir=${folder}/profile`,
      `--diagnostic-dir=${folder}`,
      `--js-flags=--prof --logfile=${victim}`,
      `--gpu-launcher=touch ${folder}/made`,
      `--utility-cmd-prefix=touch ${folder}/made`,
      `--require=${evil}`,
      `-r=${evil}`,
      '--remote-debugging-port=0',
      '--inspect-brk=0',
      '--no-sandbox',
      '--help',
      '--cli',
      '--',
      '=--log-net-log',
    ])('%s', async (prompt) => {
      const flags = ['--model', release.model, '--max-tokens', '1', '--json']
      const inCheckout = [path.join(root, 'dist', 'main', 'cli.js'), 'run', ...flags, `--prompt=${prompt}`]
      const meant = promptIds((await run(process.execPath, inCheckout)).stdout)
      // These two are the command's own where they stand by themselves.
      const given = ['--', '--help'].includes(prompt) ? [`--prompt=${prompt}`] : ['--prompt', prompt]
      const { stdout, stderr } = await run(release.command, ['run', ...flags, ...given], {
        cwd: folder,
        env: withoutDisplay,
      })
      expect(promptIds(stdout)).toEqual(meant)
      expect(stderr).not.toMatch(/listening/i)
      expect(readdirSync(folder).sort()).toEqual(before)
      expect(readFileSync(victim, 'utf8')).toBe('precious')
    })

    it('and runs no program that NODE_OPTIONS names', async () => {
      const env = { ...withoutDisplay, NODE_OPTIONS: `--require=${evil}` }
      expect((await run(release.command, ['--version'], { env })).stdout).toBe(
        `kigo ${packageJson.version}\n`,
      )
      expect(readFileSync(victim, 'utf8')).toBe('precious')
    })

    it('and is not started past its own launcher', async () => {
      const sandbox = asRoot ? ['--no-sandbox'] : []
      const args = [...sandbox, '--ozone-platform=headless', '--disable-gpu', '--cli', 'run', '--help']
      const failed = run(release.program, args, { env: withoutDisplay })
      await expect(failed).rejects.toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('bin/kigo'),
      })
    })
  })
})

interface Package {
  folder: string
  program: string
  command: string
  model: string
}

function packageAt(name: string): Package {
  const folder = path.join(scratch, name)
  return {
    folder,
    program: path.join(folder, 'Kigo'),
    command: path.join(folder, 'bin', 'kigo'),
    model: path.join(folder, 'resources', 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf'),
  }
}

/** Packages the app and leaves a copy at `folder` that nobody may write. */
async function makePackage(flags: string[], output: string, folder: string): Promise<void> {
  const script = path.join(root, 'scripts', 'dist.mjs')
  await run(process.execPath, [script, '--allow-fallback', '--no-cuda', ...flags], {
    cwd: root,
    maxBuffer: 2 ** 26,
  })
  cpSync(path.join(output, 'linux-unpacked'), folder, { recursive: true })
  forEachEntry(folder, (entry) => chmodSync(entry, statSync(entry).mode & ~0o222))
}

interface Started {
  child: ChildProcess
  ended: Promise<unknown>
  profile: string
  /** What it has said on stderr so far. */
  words: () => string
  /** Where its debugging port listens. */
  endpoint: Promise<string>
  /** What it has answered to a debugger at its pipes. */
  answered: () => string
}

/** Starts the program with a profile of its own, from the folder of this test. */
function start({ program }: Package, args: string[], env: Record<string, string> = {}): Started {
  const sandbox = asRoot ? ['--no-sandbox'] : []
  const profile = newProfile()
  const child = spawn(program, [...sandbox, ...args], {
    cwd: scratch,
    env: { ...process.env, KIGO_USER_DATA: profile, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, , stderr, toPipe, fromPipe] = child.stdio as [null, null, Readable, Writable, Readable]
  toPipe.on('error', () => {}) // a release does not read it
  toPipe.write('{"id":1,"method":"Browser.getVersion"}\0')
  let answers = ''
  fromPipe.setEncoding('utf8').on('data', (text: string) => (answers += text))
  const ended = new Promise((done) => child.once('exit', done))
  let words = ''
  const endpoint = new Promise<string>((done, fail) => {
    stderr.setEncoding('utf8').on('data', (text: string) => {
      words += text
      const url = /DevTools listening on (ws:\S+)/.exec(words)?.[1]
      if (url) done(url)
    })
    child.once('exit', (code) => fail(new Error(`The program ended with ${code}: ${words}`)))
  })
  endpoint.catch(() => {}) // told where it is waited for
  return { child, ended, profile, words: () => words, endpoint, answered: () => answers }
}

/** The model that Kigo with this profile has loaded last. */
function lastModel(profile: string): string | null {
  const file = path.join(profile, 'settings.json')
  if (!existsSync(file)) return null
  const { recents } = JSON.parse(readFileSync(file, 'utf8')) as { recents: { path: string }[] }
  return recents[0]?.path ?? null
}

function promptIds(json: string): number[] {
  return (JSON.parse(json) as { promptIds: number[] }).promptIds
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

/** Every entry of a folder with its size and time. */
function listing(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return entries.map((entry) => {
    const { size, mtimeMs } = statSync(path.join(folder, entry))
    return `${entry} ${size} ${mtimeMs}`
  })
}
