import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo, root } from './kigo.ts'

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
      const { contextIsolation, nodeIntegration, sandbox, webviewTag, webSecurity } =
        contents.getLastWebPreferences()
      return { contextIsolation, nodeIntegration, sandbox, webviewTag, webSecurity }
    })
    expect(preferences).toEqual({
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
      webviewTag: false,
      webSecurity: true,
    })
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
        // eslint-disable-next-line no-new-func
        function: () => new Function(ran)(),
        eval: () => (0, eval)(ran),
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
    expect(Object.entries(outcomes.outcomes).filter(([, outcome]) => !/^(EvalError|TypeError)$/.test(outcome))).toEqual([])
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

  it('goes nowhere else and opens no window', async () => {
    // What would be opened in the browser is noted instead.
    await kigo.app.evaluate(({ shell }) => {
      const opened: string[] = []
      ;(globalThis as Record<string, unknown>)['opened'] = opened
      shell.openExternal = (url: string) => {
        opened.push(url)
        return Promise.resolve()
      }
    })
    await kigo.page.evaluate(() => {
      location.href = 'https://example.com/navigated'
    })
    await kigo.page.evaluate(() => window.open('https://example.com/opened'))
    await kigo.page.evaluate(() => window.open('file:///etc/passwd'))
    await kigo.page.evaluate(() => {
      location.href = 'smb://example.com/share'
    })
    await kigo.page.evaluate(() => window.open('javascript:alert(1)'))
    const opened = () =>
      kigo.app.evaluate(() => (globalThis as Record<string, unknown>)['opened'] as string[])
    await expect
      .poll(async () => (await opened()).toSorted())
      .toEqual(['https://example.com/navigated', 'https://example.com/opened'])
    expect(kigo.page.url()).toBe('app://kigo/')
    expect(await kigo.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1)
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
