/** What a start survives, and a page that crashes, hangs or does not load: each ends in words, and nothing is lost. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { inherited, Kigo, newProfile, removeProfile, root, sandbox } from './kigo.ts'
import { realModel } from './models.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'kigo-trouble-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const log = (kigo: Kigo): string => readFileSync(path.join(kigo.profile, 'logs', 'kigo.log'), 'utf8')

function loop(): string {
  const link = path.join(folder, 'loop.gguf')
  symlinkSync(link, link)
  return link
}
function aFolder(): string {
  const made = path.join(folder, 'a folder.gguf')
  mkdirSync(made)
  return made
}

describe('a file argument', () => {
  it.each([
    ['that is too long for a name', () => path.join(folder, `${'n'.repeat(300)}.gguf`)],
    ['that is a link to itself', loop],
    ['that is no address of a file', () => 'file:///a%2Fb.gguf'],
    ['that names a share of another computer', () => 'file://dead-host/share/model.gguf'],
    ['that is too long for a path', () => `/${'n/'.repeat(3000)}m.gguf`],
    ['that is a folder', aFolder],
  ])('%s opens a window that says MODEL_UNREADABLE', async (_what, make) => {
    const kigo = await Kigo.start({ args: [make()] })
    await expect
      .poll(() => kigo.ask('model.state'))
      .toMatchObject({ status: 'failed', error: { code: 'MODEL_UNREADABLE' } })
    await kigo.page.getByRole('alert').first().waitFor()
    // The window goes on from there.
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.loaded()
    await kigo.close()
  })

  it.each([
    ['that is no address of a file', () => 'file:///a%2Fb.gguf'],
    ['that is a folder', () => tmpdir()],
  ])('of a second start %s is said in the window of the first', async (_what, make) => {
    const kigo = await Kigo.start()
    expect(await startAgain(kigo.profile, [make()])).toBe(0)
    const alert = kigo.page.getByRole('alert').first()
    await alert.waitFor()
    expect(await alert.innerText()).toMatch(/no file on this computer|folder/)
    await kigo.close()
  })

  it.each([
    [
      'is one of thousands',
      (file: string) => [file, ...Array<string>(4000).fill('/models/other.gguf')],
      /^Load/,
    ],
    ['is 100 kB long', () => [`/${'n'.repeat(100_000)}`], /too long/],
  ])('of a second start that %s does no harm to the first', async (_what, args, shown) => {
    const kigo = await Kigo.start()
    expect(await startAgain(kigo.profile, args(realModel('smollm2')))).toBe(0)
    const { page } = kigo
    await page.getByRole('alert').or(page.getByRole('button')).filter({ hasText: shown }).first().waitFor()
    await kigo.close()
  })
})

describe('a start', () => {
  it('from a folder that is gone opens a window that works', async () => {
    const kigo = await Kigo.start({ args: ['relative.gguf'], cwd: 'gone' })
    await expect
      .poll(() => kigo.ask('model.state'))
      .toMatchObject({ status: 'failed', error: { code: 'MODEL_UNREADABLE' } })
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.loaded()
    await kigo.close()
  })

  it.each([
    ['a profile that cannot be one', (file: string) => ({ KIGO_USER_DATA: path.join(file, 'profile') })],
    // Where Chromium itself would keep it.
    ['a home that cannot hold a profile', (file: string) => ({ KIGO_USER_DATA: '', XDG_CONFIG_HOME: file })],
  ])('with %s is said', async (_what, environment) => {
    const file = path.join(folder, 'a file')
    writeFileSync(file, '')
    const { said, child } = startBare(environment(file))
    await expect.poll(said).toContain('Kigo could not start: Kigo cannot write to its profile folder')
    // The system's box stands until somebody closes it.
    child.kill('SIGKILL')
  })

  it.runIf(process.platform === 'linux')('without a display is said, and ends with 1', async () => {
    const profile = newProfile()
    const { said, child } = startBare({ KIGO_USER_DATA: profile, DISPLAY: '', WAYLAND_DISPLAY: '' })
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1)
    expect(said()).toContain('Kigo could not start: There is no display here')
    removeProfile(profile)
  })
})

describe('the command', () => {
  it('is looked at first: a prompt that names a folder is no file, and no window opens', async () => {
    const profile = newProfile()
    const output = await new Promise<string>((resolve) => {
      const child = spawn(
        electron(),
        [
          root,
          ...sandbox(),
          '--ozone-platform=headless',
          '--disable-gpu',
          '--cli',
          '=run',
          '=--prompt',
          '=/',
        ],
        { env: { ...inherited(), KIGO_USER_DATA: profile }, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] },
      )
      let text = ''
      child.stderr.on('data', (data: Buffer) => (text += data.toString()))
      child.once('close', (code) => resolve(`${code} ${text}`))
    })
    expect(output).toMatch(/^2 .*error INVALID_INPUT: --model is missing/s)
    removeProfile(profile)
  })
})

describe('Kigo that is started again while it quits', () => {
  it('starts: the new one wins', async () => {
    const first = await Kigo.start({ args: [realModel('smollm2')] })
    await first.loaded()
    const { profile } = first
    // It stays in the middle of its end until it is told to go.
    const quitting = await first.app.evaluate(({ app }) => {
      const exit = app.exit.bind(app)
      ;(globalThis as Record<string, unknown>)['go'] = exit
      app.exit = () => {}
      app.quit()
      return app.hasSingleInstanceLock()
    })
    expect(quitting).toBe(false)
    const second = await Kigo.start({ profile })
    expect(await second.ask('model.state')).toMatchObject({ lastPath: realModel('smollm2') })
    await first.app
      .evaluate(() => ((globalThis as Record<string, unknown>)['go'] as () => void)())
      .catch(() => {})
    expect(await second.request('app.info')).toMatchObject({ ok: true })
    await second.close()
    removeProfile(profile)
  })
})

describe('a page that crashes four times within a minute', () => {
  it('is asked about by the system, and starts with a new chat; the old one is kept', async () => {
    const kigo = await Kigo.start({ args: [realModel('smollm2')] })
    await kigo.loaded()
    await kigo.ask('settings.chat', { maxTokens: 4 })
    await kigo.say('Remember the lighthouse.')
    await kigo.finished()
    const asked = await kigo.answerDialogs(0)
    const articles = () => inPage(kigo, "document.querySelectorAll('article').length")
    for (let crash = 1; crash <= 3; crash++) {
      await crashPage(kigo)
      await expect.poll(articles).toBe(2)
    }
    expect(await asked()).toEqual([])
    await crashPage(kigo)
    await expect.poll(asked).toMatchObject([{ message: 'Kigo’s window crashed four times within a minute.' }])
    // A new chat, with the old one in the list, and the reason in words.
    const shown = () =>
      inPage(
        kigo,
        "[document.querySelectorAll('article').length, document.querySelectorAll('.chats .open').length, /new chat/.test(document.querySelector('[role=alert]')?.textContent ?? '')].join()",
      )
    await expect.poll(shown).toBe('0,2,true')
    expect(log(kigo)).toContain('crashed too often')

    // Three more by itself, then it asks again: this time for an end.
    const again = await kigo.answerDialogs(2)
    const gone = new Promise((resolve) => kigo.app.process().once('exit', resolve))
    for (let crash = 1; crash <= 3; crash++) {
      await crashPage(kigo)
      await expect.poll(() => inPage(kigo, "document.querySelectorAll('[role=alert]').length > 0")).toBe(true)
    }
    expect(await again()).toEqual([])
    await crashPage(kigo).catch(() => {})
    expect(await gone).toBe(0)
    removeProfile(kigo.profile)
  })
})

describe('a page that hangs', () => {
  it('is asked about by the system, and can be started again with a new chat', async () => {
    const kigo = await Kigo.start()
    const asked = await kigo.answerDialogs(1)
    await kigo.app.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0]?.webContents
      void contents?.executeJavaScript('setTimeout(() => { for (;;); }, 0)')
    })
    // Chromium does not look for hanging pages while a debugger, as Playwright is one, is attached.
    await kigo.app.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.webContents.emit('unresponsive')
    })
    await expect.poll(asked).toMatchObject([{ message: 'Kigo’s window does not answer.' }])
    await expect
      .poll(() => inPage(kigo, "document.querySelector('[role=alert]')?.textContent ?? ''"))
      .toContain('did not answer')
    expect(log(kigo)).toContain('does not answer')
    await kigo.close()
  })
})

describe('a page that does not load', () => {
  it.each([
    ['whole', () => new Response(null, { status: 404 }), /script did not run|ERR_/],
    [
      'with its script',
      (url: string) =>
        url.endsWith('/')
          ? new Response('<title>Kigo</title>', { headers: { 'Content-Type': 'text/html' } })
          : new Response(null, { status: 404 }),
      /script did not run/,
    ],
  ])('%s is asked about by the system, and can be tried again', async (_what, answer, words) => {
    const kigo = await Kigo.start()
    const asked = await kigo.answerDialogs(0)
    // The first answer after this is no page; the next ones are what they were.
    await kigo.app.evaluate(
      async ({ BrowserWindow, protocol }, source) => {
        const original = (url: string): Promise<Response> => fetchOwn(url)
        const { readFile } = process.getBuiltinModule('node:fs/promises')
        const files = process.getBuiltinModule('node:path')
        const fetchOwn = async (url: string): Promise<Response> => {
          const name = new URL(url).pathname === '/' ? 'index.html' : new URL(url).pathname.slice(1)
          const types: Record<string, string> = { html: 'text/html', js: 'text/javascript', css: 'text/css' }
          const bytes = await readFile(files.join(source.renderer, name))
          const type = types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
          return new Response(new Uint8Array(bytes), { headers: { 'Content-Type': type } })
        }
        // oxlint-disable-next-line typescript/no-implied-eval
        const broken = new Function(`return ${source.answer}`)() as (url: string) => Response
        let left = 1
        protocol.unhandle('app')
        protocol.handle('app', (request) => (left-- > 0 ? broken(request.url) : original(request.url)))
        const contents = BrowserWindow.getAllWindows()[0]?.webContents
        await contents?.loadURL('app://kigo/').catch(() => {})
      },
      { answer: answer.toString(), renderer: path.join(root, 'dist', 'renderer') },
    )
    await expect
      .poll(asked)
      .toMatchObject([
        { message: 'Kigo’s window could not be loaded.', detail: expect.stringMatching(words) },
      ])
    await expect.poll(() => inPage(kigo, "document.querySelectorAll('.bar').length")).toBe(1)
    expect(log(kigo)).toContain('could not be loaded')
    await kigo.close()
  })
})

describe('a child process that ends by itself', () => {
  it('is said and logged, and Kigo goes on', async () => {
    const kigo = await Kigo.start()
    await kigo.app.evaluate(({ app }) => {
      const network = app.getAppMetrics().find(({ name }) => name === 'Network Service')
      if (network) process.kill(network.pid, 'SIGSEGV')
    })
    const alert = kigo.page.getByRole('alert').filter({ hasText: 'Network Service' })
    await alert.waitFor()
    expect(log(kigo)).toContain('A child process is gone')
    expect(await kigo.request('app.info')).toMatchObject({ ok: true })
    await kigo.close()
  })
})

function electron(): string {
  const executable = process.env['KIGO_TEST_ELECTRON']
  if (!executable) throw new Error('e2e/set-up.ts has not run')
  return executable
}

/** Starts Kigo once more with this profile; resolves to its exit status. */
function startAgain(profile: string, args: string[]): Promise<unknown> {
  const started = spawn(electron(), [root, ...sandbox(), ...args], {
    cwd: root,
    env: { ...inherited(), KIGO_USER_DATA: profile },
    stdio: 'ignore',
  })
  return new Promise((resolve) => started.once('exit', resolve))
}

/** A start that shows no page. */
function startBare(env: Record<string, string>): { child: ChildProcess; said: () => string } {
  const child = spawn(electron(), [root, ...sandbox()], {
    env: { ...inherited(), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  return { child, said: () => said }
}

/** Crashes the page, and comes back when main knows. */
const crashPage = (kigo: Kigo): Promise<unknown> =>
  kigo.app.evaluate(({ BrowserWindow }) => {
    const contents = BrowserWindow.getAllWindows()[0]?.webContents
    return new Promise<void>((resolve) => {
      contents?.once('render-process-gone', () => resolve())
      contents?.forcefullyCrashRenderer()
    })
  })

/** A script's value in a page that crashed: Playwright has given that page up, so main looks into it. */
function inPage(kigo: Kigo, script: string): Promise<unknown> {
  return kigo.app.evaluate(({ BrowserWindow }, code) => {
    const look = BrowserWindow.getAllWindows()[0]?.webContents.executeJavaScript(code) as Promise<unknown>
    return Promise.race([
      look.catch(() => 'not yet'),
      new Promise((resolve) => setTimeout(() => resolve('no answer'), 1000)),
    ])
  }, script)
}
