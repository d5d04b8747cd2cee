import { readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RouteName } from '../contract/routes.ts'
import { Kigo, root } from './kigo.ts'
import { realModel } from './models.ts'

declare global {
  interface Window {
    /** Of newer library lists than ours. */
    trustedTypes: { createPolicy: (name: string) => unknown }
  }
}

let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start()
})
afterAll(() => kigo.close())

describe('the page', () => {
  it('sees nothing of Node and three functions of Kigo', async () => {
    const seen = await kigo.page.evaluate(() => ({
      kigo: Object.keys(window.kigo).toSorted(),
      node: [
        'require',
        'process',
        'module',
        'Buffer',
        'global',
        '__dirname',
        'electron',
        'ipcRenderer',
      ].filter((name) => name in window),
    }))
    expect(seen).toEqual({ kigo: ['onEvent', 'pathForFile', 'request'], node: [] })
  })

  it('runs isolated and without Node', async () => {
    const preferences = await kigo.app.evaluate(({ webContents }) => {
      // Not in the published types, and there on every version.
      const contents = webContents.getAllWebContents()[0] as unknown as {
        getLastWebPreferences(): Record<string, unknown>
      }
      return contents.getLastWebPreferences()
    })
    expect(preferences).toMatchObject({
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
      webviewTag: false,
      webSecurity: true,
    })
    for (const never of [
      'allowRunningInsecureContent',
      'experimentalFeatures',
      'enableBlinkFeatures',
      'nodeIntegrationInWorker',
      'nodeIntegrationInSubFrames',
      'navigateOnDragDrop',
    ])
      expect(Boolean(preferences[never]), never).toBe(false)
  })

  it('cannot make code or markup from text', async () => {
    const outcomes = await kigo.page.evaluate(async () => {
      const ran = 'window.ran = 1'
      const attempts: Record<string, () => unknown> = {
        script: () => (document.createElement('script').textContent = ran),
        address: () => (document.createElement('script').src = `data:text/javascript,${ran}`),
        markup: () => (document.body.innerHTML += `<img src=x onerror="${ran}">`),
        beside: () => document.body.insertAdjacentHTML('beforeend', '<b>x</b>'),
        fragment: () => document.createRange().createContextualFragment('<b>x</b>'),
        parser: () => new DOMParser().parseFromString('<b>x</b>', 'text/html'),
        write: () => document.write('<b>x</b>'),
        frame: () => (document.createElement('iframe').srcdoc = `<script>parent.${ran}</` + 'script>'),
        handler: () => document.body.setAttribute('onclick', ran),
        worker: () => new Worker('data:text/javascript,postMessage(1)'),
        // oxlint-disable-next-line typescript/no-implied-eval
        function: () => new Function(ran)(),
        // oxlint-disable-next-line no-eval
        eval: () => (0, eval)(ran),
        // oxlint-disable-next-line typescript/no-implied-eval
        timer: () => setTimeout(ran, 0),
        policy: () => window.trustedTypes.createPolicy('own'),
        defaultPolicy: () => window.trustedTypes.createPolicy('default'),
      }
      const outcomes: Record<string, string> = {}
      for (const [name, attempt] of Object.entries(attempts)) {
        // In a task of the page’s own: what Playwright evaluates is exempt from the policy.
        outcomes[name] = await new Promise<string>((resolve) => {
          setTimeout(() => {
            try {
              attempt()
              resolve('made')
            } catch (error) {
              resolve((error as Error).name)
            }
          }, 0)
        })
      }
      document.body.click()
      return { outcomes, ran: 'ran' in window }
    })
    expect(outcomes.ran).toBe(false)
    expect(
      Object.entries(outcomes.outcomes).filter(([, outcome]) => !/^(EvalError|TypeError)$/.test(outcome)),
    ).toEqual([])
  })

  it.each(['https://example.com/', 'http://127.0.0.1:9/', 'file:///etc/passwd', 'ws://127.0.0.1:9/'])(
    'reaches nothing at %s',
    async (url) => {
      const outcome = await kigo.page.evaluate(
        (target) =>
          target.startsWith('ws')
            ? new Promise<string>((resolve) => {
                try {
                  const socket = new WebSocket(target)
                  socket.onopen = () => resolve('reached')
                  socket.onerror = () => resolve('refused')
                } catch {
                  resolve('refused')
                }
              })
            : fetch(target).then(
                () => 'reached',
                () => 'refused',
              ),
        url,
      )
      expect(outcome).toBe('refused')
    },
  )

  it('loads no picture from elsewhere', async () => {
    const outcome = await kigo.page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          const image = new Image()
          image.onload = () => resolve('loaded')
          image.onerror = () => resolve('refused')
          image.src = 'https://example.com/x.png'
        }),
    )
    expect(outcome).toBe('refused')
  })

  it('may name no file that nobody gave, to any request that takes one', async () => {
    const own = path.join(root, 'package.json')
    const ask = (route: RouteName, file: string) =>
      kigo.page.evaluate(([name, input]) => window.kigo.request(name, { path: input } as never), [
        route,
        file,
      ] as const)
    for (const route of ['model.inspect', 'model.load', 'model.reveal', 'model.forget'] as const)
      for (const file of [own, '/etc/passwd', '//host/share/model.gguf', path.dirname(root)])
        expect(await ask(route, file)).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
    // A file that the page makes up is none of this computer's, and gives no right to one.
    const made = await kigo.page.evaluate((file) => window.kigo.pathForFile(new File(['x'], file)), own)
    expect(made).toBe('')
    expect(await ask('model.inspect', own)).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })

    await kigo.drop(own)
    await kigo.page.getByRole('alert').first().waitFor()
    expect(await ask('model.inspect', own)).toMatchObject({ ok: false, error: { code: 'MODEL_NOT_GGUF' } })
    expect(await ask('model.inspect', `${own}x`)).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
    await kigo.page.keyboard.press('Escape')
  })

  it('has no other way into main than its requests and its drops', async () => {
    const heard = await kigo.app.evaluate(({ ipcMain, BrowserWindow }) => {
      const { ipc, mainFrame } = BrowserWindow.getAllWindows()[0]?.webContents ?? {}
      return [ipcMain, ipc, mainFrame?.ipc].map((listens) => listens?.eventNames())
    })
    expect(heard).toEqual([['error', 'kigo:dropped'], ['error'], ['error']])
  })

  it('is granted no permission', async () => {
    const outcomes = await kigo.page.evaluate(async () => {
      const states = []
      for (const name of [
        'geolocation',
        'notifications',
        'camera',
        'microphone',
        'clipboard-read',
      ] as PermissionName[]) {
        states.push((await navigator.permissions.query({ name })).state)
      }
      const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true }).then(
        () => 'granted',
        () => 'denied',
      )
      return { states: [...new Set(states)], camera }
    })
    expect(outcomes).toEqual({ states: ['denied'], camera: 'denied' })
  })
})

describe('the process that renders templates', () => {
  it('has no environment, and makes no code from text', async () => {
    await kigo.ask('model.load', { path: realModel('smollm2') })
    const pid = await kigo.app.evaluate(
      ({ app }) => app.getAppMetrics().find(({ name }) => name === 'Kigo template')?.pid,
    )
    if (process.platform === 'linux') {
      const proc = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0').filter(Boolean)
      expect(proc('environ').map((line) => line.split('=')[0])).toEqual(['KIGO_CHILD'])
      expect(proc('cmdline').join(' ')).toContain('--disallow-code-generation-from-strings')
      expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/')
    } else expect(pid).toBeGreaterThan(0)
    await kigo.ask('model.unload')
  })
})

describe('a link', () => {
  const question = { message: 'Open this link in the browser?', buttons: ['Open', 'Copy', 'Cancel'] }

  /** A person clicks on a link to `url`; resolves when main has asked or dropped it. */
  async function click(url: string, target = '_blank'): Promise<void> {
    await kigo.page.evaluate(
      ([href, where]) => {
        const link = document.createElement('a')
        Object.assign(link, { href, target: where, textContent: 'a link', id: 'link' })
        link.style.cssText = 'position: fixed; inset: 0; z-index: 1000'
        document.body.append(link)
      },
      [url, target] as const,
    )
    await kigo.page.locator('#link').click()
    await kigo.page.evaluate(() => document.querySelector('#link')?.remove())
    expect(await kigo.request('app.info')).toMatchObject({ ok: true })
  }

  it('that a person clicks is shown whole, and opened if that is wanted', async () => {
    const opened = await noteOpened()
    const asked = await kigo.answerDialogs(0)
    const url = 'https://example.com/a?b=c#d'
    await click(url)
    await expect.poll(opened).toEqual([url])
    expect(await asked()).toEqual([expect.objectContaining({ ...question, detail: url })])
    expect(kigo.page.url()).toBe('app://kigo/')
  })

  it('is not opened where the person thinks better of it, and can be copied', async () => {
    const opened = await noteOpened()
    const asked = await kigo.answerDialogs(2)
    await click('https://example.com/no')
    await expect.poll(asked).toHaveLength(1)
    await kigo.answerDialogs(1)
    await click('https://example.com/copied')
    await expect
      .poll(() => kigo.app.evaluate(({ clipboard }) => clipboard.readText()))
      .toBe('https://example.com/copied')
    expect(await opened()).toEqual([])
  })

  it('opens once for one click', async () => {
    const opened = await noteOpened()
    await kigo.answerDialogs(0)
    await kigo.page.evaluate(() =>
      document.body.addEventListener(
        'click',
        () => {
          for (const n of [1, 2, 3]) window.open(`https://example.com/${n}`)
        },
        { once: true, capture: true },
      ),
    )
    await click('https://example.com/4')
    await expect.poll(opened).toEqual(['https://example.com/1'])
  })

  it('to a mail has an address, a subject and a text, and no more', async () => {
    const opened = await noteOpened()
    const asked = await kigo.answerDialogs(0)
    await click('mailto:a@example.com?subject=Hi&bcc=b@example.com&attach=/etc/passwd')
    await expect.poll(opened).toEqual(['mailto:a@example.com?subject=Hi'])
    expect(await asked()).toMatchObject([{ detail: 'a@example.com\nSubject: Hi' }])
  })

  it('to anything else is not opened, and why is said', async () => {
    const opened = await noteOpened()
    const asked = await kigo.answerDialogs(0)
    await click('smb://host/share')
    await expect.poll(asked).toMatchObject([{ message: 'Kigo does not open this link: smb: is not opened.' }])
    expect(await opened()).toEqual([])
  })
})

describe('app://', () => {
  const get = (url: string) =>
    kigo.page.evaluate(
      (target) =>
        fetch(target).then(
          async (response) => `${response.status} ${(await response.text()).length}`,
          () => 'refused',
        ),
      url,
    )

  it('serves the page with its policy', async () => {
    const policy = await kigo.app.evaluate(async ({ net }) => {
      const response = await net.fetch('app://kigo/')
      return { status: response.status, policy: response.headers.get('content-security-policy') }
    })
    expect(policy.status).toBe(200)
    expect(policy.policy).toContain("default-src 'none'")
  })

  it.each([
    'app://kigo/..%2fmain/main.js',
    'app://kigo/%2e%2e%2fmain%2fmain.js',
    'app://kigo/no-such-file',
    'app://other/index.html',
  ])('does not serve %s', async (url) => {
    expect(await get(url)).toMatch(/^(404 0|refused)$/)
    expect(await kigo.app.evaluate(async ({ net }, target) => (await net.fetch(target)).status, url)).toBe(
      404,
    )
  })
})

describe('a request', () => {
  it('from a frame that is not the page is refused', async () => {
    const answer = await kigo.app.evaluate(
      async ({ BrowserWindow }, preload) => {
        // Another page with the same preload script.
        const stranger = new BrowserWindow({ show: false, webPreferences: { preload, sandbox: true } })
        await stranger.loadURL('data:text/html,<title>x</title>')
        const result: unknown = await stranger.webContents.executeJavaScript(
          "window.kigo.request('app.info', null)",
        )
        stranger.destroy()
        return result
      },
      path.join(root, 'dist', 'main', 'preload.cjs'),
    )
    expect(answer).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
  })

  it('with bad input is answered in words, and Kigo goes on', async () => {
    expect(await kigo.request('chat.get', { id: 7 } as never)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_INPUT' },
    })
    expect(await kigo.request('no.such' as never)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_INPUT' },
    })
    expect(await kigo.request('model.load', { path: 'relative.gguf' })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_INPUT' },
    })
    expect(await kigo.request('stream.attach', { streamId: 'none', fromSeq: 0 })).toMatchObject({
      ok: false,
      error: { code: 'STREAM_NOT_FOUND' },
    })
    expect(await kigo.request('app.info')).toMatchObject({ ok: true })
  })
})

describe('the page, left to itself,', () => {
  it('goes nowhere else and opens no window, and nothing is opened that nobody clicked', async () => {
    // Playwright waits for ever for a navigation that was refused: this page is the last one.
    await kigo.close()
    kigo = await Kigo.start()
    const opened = await noteOpened()
    const asked = await kigo.answerDialogs(0)
    for (const go of [
      () => void (location.href = 'https://example.com/navigated'),
      () => void window.open('https://example.com/opened'),
      () => void window.open('file:///etc/passwd'),
      () => void (location.href = 'smb://example.com/share'),
      () => void window.open('javascript:alert(1)'),
      () => {
        const link = document.createElement('a')
        Object.assign(link, { href: 'https://example.com/clicked-by-a-script', target: '_blank' })
        document.body.append(link)
        link.click()
        link.remove()
      },
      () => {
        const frame = document.createElement('iframe')
        frame.src = 'app://kigo/index.html'
        document.body.append(frame)
      },
      () => {
        const form = document.createElement('form')
        form.action = 'https://example.com/sent'
        document.body.append(form)
        form.submit()
      },
    ])
      await kigo.page.evaluate(go)
    // Main is behind all that: it answers the page's next request.
    expect(await kigo.request('app.info')).toMatchObject({ ok: true })
    expect(await asked()).toEqual([])
    expect(await opened()).toEqual([])
    expect(kigo.page.url()).toBe('app://kigo/')
    expect(await kigo.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1)
  })
})

/** What would be opened in another program is noted instead. */
async function noteOpened(): Promise<() => Promise<string[]>> {
  await kigo.app.evaluate(({ shell }) => {
    const opened: string[] = []
    ;(globalThis as Record<string, unknown>)['opened'] = opened
    shell.openExternal = (url: string) => {
      opened.push(url)
      return Promise.resolve()
    }
  })
  return () => kigo.app.evaluate(() => (globalThis as Record<string, unknown>)['opened'] as string[])
}
