/**
 * Opens the window, built as it ships, in a plain Chromium, with the fake bridge of this folder for a main
 * process. Used by shots.mjs, behaviour.test.ts and bench/renderer.mjs. `CHROMIUM` names the executable.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { chromium } from 'playwright'
import { build } from 'vite'

const root = path.resolve(import.meta.dirname, '../..')
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** @returns the first Chromium there is, or null. */
export function findChromium() {
  const known = [
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ]
  return known.find((file) => file && existsSync(file)) ?? null
}

/** The fake bridge as one classic script, for `addInitScript`. */
async function fakeScript() {
  const result = await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      minify: false,
      lib: { entry: path.join(import.meta.dirname, 'install.ts'), name: 'kigoFake', formats: ['iife'] },
    },
  })
  const [{ output }] = Array.isArray(result) ? result : [result]
  return output[0].code
}

/** Builds the window, serves it and starts the browser. `open(query, size)` gives a page in that state. */
export async function openBrowser(launch = {}) {
  const executablePath = findChromium()
  if (executablePath === null) throw new Error('No Chromium found: install one, or name it in CHROMIUM.')
  // A build of its own: dist/renderer may be in use, and other tests make theirs at the same time.
  const dist = await mkdtemp(path.join(tmpdir(), 'kigo-window-'))
  await build({
    configFile: path.join(root, 'renderer/vite.config.ts'),
    logLevel: 'warn',
    build: { outDir: dist },
  })
  const script = await fakeScript()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const file = path.join(dist, pathname === '/' ? 'index.html' : pathname)
    readFile(file).then(
      (body) =>
        response
          .writeHead(200, { 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream' })
          .end(body),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address()
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--force-color-profile=srgb'],
    ...launch,
  })
  return {
    browser,
    async open(query, { width = 1280, height = 800, ...context } = {}) {
      const opened = await browser.newContext({ viewport: { width, height }, ...context })
      const page = await opened.newPage()
      await page.addInitScript({ content: script })
      await page.goto(`http://127.0.0.1:${port}/?${query}`)
      // One scene never gets further than its start.
      await page.locator(query.includes('scene=starting') ? '.app' : '.shell').waitFor()
      return page
    },
    async close() {
      await browser.close()
      server.close()
      await rm(dist, { recursive: true })
    },
  }
}
