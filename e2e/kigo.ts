/** Starts Kigo in the real Electron with a profile of its own, and says what a person would do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { MessageBoxOptions } from 'electron'
import { _electron, type ElectronApplication, type Locator, type Page } from 'playwright'
import { expect } from 'vitest'
import { DROP_CHANNEL, type KigoBridge, type Result } from '../contract/ipc.ts'
import type { RouteInput, RouteName, RouteOutput } from '../contract/routes.ts'

export const root = path.dirname(import.meta.dirname)

/** Loading, and a reply of a small model on a busy machine, take no longer than this, ms. */
export const PATIENCE = 90_000

export interface StartOptions {
  /** A model file, or any other argument. */
  args?: string[]
  env?: Record<string, string>
  /** 'gone': started from a folder that was deleted. */
  cwd?: 'gone'
  /** An existing profile; left out: a fresh one, deleted at the end. */
  profile?: string
}

declare global {
  interface Window {
    kigo: KigoBridge
  }
}

export class Kigo {
  readonly app: ElectronApplication
  readonly page: Page
  readonly profile: string
  /** What the page wrote to its console as a warning or an error, and what it threw. */
  readonly complaints: string[] = []
  readonly #ownsProfile: boolean

  private constructor(app: ElectronApplication, page: Page, profile: string, ownsProfile: boolean) {
    this.app = app
    this.page = page
    this.profile = profile
    this.#ownsProfile = ownsProfile
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
  }

  static async start({ args = [], env = {}, cwd, profile }: StartOptions = {}): Promise<Kigo> {
    const folder = profile ?? newProfile()
    const executablePath = process.env['KIGO_TEST_ELECTRON']
    if (!executablePath) throw new Error('e2e/set-up.ts has not run')
    const program = cwd === 'gone' ? fromGoneFolder(folder, executablePath) : executablePath
    const app = await _electron.launch({
      executablePath: program,
      args: [root, ...sandbox(), ...args],
      cwd: root,
      env: {
        ...inherited(),
        KIGO_USER_DATA: folder,
        KIGO_WAIT_FOR_PLAYWRIGHT: '1',
        KIGO_GPU_LIBRARY: '',
        ...env,
      },
      timeout: PATIENCE,
      // The theme is the app's own affair.
      colorScheme: null,
    })
    const page = await app.firstWindow({ timeout: PATIENCE })
    page.setDefaultTimeout(20_000)
    const kigo = new Kigo(app, page, folder, profile === undefined)
    await page.getByRole('button', { name: 'Menu' }).waitFor()
    return kigo
  }

  /** Quits as a person does; fails if that takes longer than `within` ms. */
  async close({ keepProfile = false, within = 15_000 } = {}): Promise<void> {
    const child = this.app.process()
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), within)))
    const result = await Promise.race([this.app.close().then(() => 'closed' as const), limit])
    clearTimeout(timer)
    if (result === 'late') child.kill('SIGKILL')
    if (this.#ownsProfile && !keepProfile) removeProfile(this.profile)
    expect(result).toBe('closed')
  }

  /** What a drop does in main: the page may name this file from now on. */
  async grant(file: string): Promise<void> {
    await this.app.evaluate(
      ({ BrowserWindow, ipcMain }, [channel, given]) => {
        const sender = BrowserWindow.getAllWindows()[0]?.webContents
        ipcMain.emit(channel, { sender, senderFrame: sender?.mainFrame }, given)
      },
      [DROP_CHANNEL, file] as const,
    )
  }

  /** The system's message boxes are answered with this button from now on; what they ask is told. */
  async answerDialogs(response: number): Promise<() => Promise<MessageBoxOptions[]>> {
    await this.app.evaluate(({ dialog }, answer) => {
      const asked: unknown[] = []
      ;(globalThis as Record<string, unknown>)['askedBoxes'] = asked
      dialog.showMessageBox = (...args: unknown[]) => {
        const { signal: _, ...question } = args.at(-1) as MessageBoxOptions
        asked.push(question)
        return Promise.resolve({ response: answer, checkboxChecked: false })
      }
    }, response)
    return () =>
      this.app.evaluate(() => (globalThis as Record<string, unknown>)['askedBoxes'] as MessageBoxOptions[])
  }

  /** A request as the page makes it, for a file that a person gave. */
  async request<R extends RouteName>(route: R, input?: RouteInput<R>): Promise<Result<RouteOutput<R>>> {
    if (input && 'path' in input) await this.grant(input.path)
    const answer = await this.page.evaluate(
      ([name, value]) => window.kigo.request(name as RouteName, value as never),
      [route, input ?? null] as const,
    )
    return answer as Result<RouteOutput<R>>
  }

  /** The data of a request that must go well. */
  async ask<R extends RouteName>(route: R, input?: RouteInput<R>): Promise<RouteOutput<R>> {
    const answer = await this.request(route, input)
    if (!answer.ok) throw new Error(`${route}: ${answer.error.code} ${answer.error.message}`)
    return answer.data
  }

  get message(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' })
  }
  get send(): Locator {
    return this.page.getByRole('button', { name: 'Send', exact: true })
  }
  get stop(): Locator {
    return this.page.getByRole('button', { name: 'Stop', exact: true })
  }
  get replies(): Locator {
    return this.page.getByRole('article', { name: 'Assistant' })
  }
  get lastReply(): Locator {
    return this.replies.last()
  }

  /** Resolves when the window shows a model that may be talked to. */
  async loaded(): Promise<void> {
    await this.page.getByRole('button', { name: 'Unload model' }).waitFor({ timeout: PATIENCE })
  }

  /** Types and sends; resolves when the reply has begun to be written or is there. */
  async say(text: string): Promise<void> {
    const before = await this.replies.count()
    await this.message.fill(text)
    await this.message.press('Enter')
    await expect.poll(() => this.replies.count(), { timeout: PATIENCE }).toBe(before + 1)
  }

  /** Resolves when nothing is being written any more. */
  async finished(): Promise<void> {
    await this.stop.waitFor({ state: 'detached', timeout: PATIENCE })
    await this.send.waitFor()
  }

  /** Chooses an item of the application menu. */
  async menu(label: string): Promise<void> {
    await this.app.evaluate(({ Menu, BrowserWindow }, wanted) => {
      const items = Menu.getApplicationMenu()?.items.flatMap((item) => item.submenu?.items ?? []) ?? []
      const item = items.find((candidate) => candidate.label === wanted)
      if (!item) throw new Error(`The menu has no ${wanted}`)
      item.click(undefined, BrowserWindow.getAllWindows()[0], undefined)
    }, label)
  }

  /** Drops a file of this computer on the window, as a drag from outside does. */
  async drop(file: string): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page)
    const data = { items: [], files: [file], dragOperationsMask: 1 }
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await session.send('Input.dispatchDragEvent', { type, x: 640, y: 400, data })
    }
    await session.detach()
  }

  async resize(width: number, height: number): Promise<void> {
    await this.app.evaluate(
      ({ BrowserWindow }, [w, h]) => BrowserWindow.getAllWindows()[0]?.setContentSize(w, h),
      [width, height] as const,
    )
    await expect.poll(() => this.page.evaluate(() => window.innerWidth)).toBe(width)
  }
}

/** A program that deletes its own folder and becomes `executable`. */
function fromGoneFolder(profile: string, executable: string): string {
  const script = path.join(profile, 'from-gone-folder.sh')
  const lines = ['#!/bin/sh', 'cd "$(mktemp -d)" && rmdir "$PWD"', `exec '${executable}' "$@"`]
  writeFileSync(script, `${lines.join('\n')}\n`, { mode: 0o755 })
  return script
}

export function newProfile(): string {
  return mkdtempSync(path.join(tmpdir(), 'kigo-e2e-'))
}

/** Again and again: the children of a process that was killed write for a moment, and rmSync's own retries take no new file. */
export function removeProfile(folder: string): void {
  for (let left = 9; ; left--) {
    try {
      return rmSync(folder, { recursive: true, force: true, maxRetries: 1, retryDelay: 300 })
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

/** Chromium refuses root with its sandbox; everyone else has it. */
export function sandbox(): string[] {
  return process.getuid?.() === 0 ? ['--no-sandbox'] : []
}

/** The environment of this process as Playwright takes it. */
export function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
