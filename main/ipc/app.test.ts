import type { BrowserWindow } from 'electron'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { CHAT_SETTINGS_DEFAULTS } from '../../contract/sampling.ts'
import { Appearance } from '../../contract/routes.ts'
import type { SettingsStore } from '../store/settings.ts'
import { appHandlers } from './app.ts'

const electron = vi.hoisted(() => ({ copied: [] as string[], popups: [] as unknown[], menu: true }))
vi.mock('electron', () => ({
  app: { getVersion: () => '1.2.3' },
  clipboard: { writeText: (text: string) => Promise.resolve(void electron.copied.push(text)) },
  Menu: {
    getApplicationMenu: () =>
      electron.menu ? { popup: (options: unknown) => void electron.popups.push(options) } : null,
  },
}))
vi.mock('../window.ts', () => ({ OWN_WINDOW_CONTROLS: true }))

/** A window that notes what was asked of it. */
function fakeWindow(maximized: boolean) {
  const asked: string[] = []
  const note = (what: string) => () => void asked.push(what)
  return {
    asked,
    isMaximized: () => maximized,
    close: note('close'),
    minimize: note('minimize'),
    maximize: note('maximize'),
    unmaximize: note('unmaximize'),
  }
}

function app(window: ReturnType<typeof fakeWindow> | null = fakeWindow(false)) {
  const current = {
    appearance: Appearance.parse({ season: 'winter' }),
    chat: CHAT_SETTINGS_DEFAULTS,
    load: { device: 'cpu' },
  }
  const settings = {
    current,
    update: (change: object) => void Object.assign(current, change),
  } as unknown as SettingsStore
  const deps = {
    settings,
    bundledModel: '/models/a.gguf',
    openLogs: vi.fn(() => Promise.resolve()),
    restart: vi.fn(),
    window: () => window as unknown as BrowserWindow | null,
    applyTheme: vi.fn(),
    onPageReady: vi.fn(),
  }
  return { deps, current, handlers: appHandlers(deps) }
}

beforeEach(() => {
  electron.copied = []
  electron.popups = []
  electron.menu = true
})

describe('what the page asks of the program', () => {
  it('is who it talks to, with all settings; from then on it listens', async () => {
    const { deps, current, handlers } = app()
    expect(deps.onPageReady).not.toHaveBeenCalled()
    expect(await handlers['app.info'](null, null)).toMatchObject({
      version: '1.2.3',
      platform: process.platform,
      ownWindowControls: true,
      bundledModel: '/models/a.gguf',
      mostThreads: expect.any(Number),
      appearance: current.appearance,
      chatSettings: current.chat,
      loadSettings: current.load,
    })
    expect(deps.onPageReady).toHaveBeenCalledOnce()
  })

  it('is another theme: kept, shown, and the rest as it was', async () => {
    const { deps, current, handlers } = app()
    const answer = await handlers['app.setAppearance']({ theme: 'dark' }, null)
    expect(answer).toEqual(Appearance.parse({ season: 'winter', theme: 'dark' }))
    expect(current.appearance).toEqual(answer)
    expect(deps.applyTheme).toHaveBeenCalledExactlyOnceWith('dark')
  })

  it('is the menu, at a whole pixel of its window', async () => {
    const window = fakeWindow(false)
    expect(await app(window).handlers['app.menu']({ x: 4.4, y: 5.6 }, null)).toBeNull()
    expect(electron.popups).toEqual([{ window, x: 4, y: 6 }])
  })

  it('is the menu, where there is no window or no menu: then nothing', async () => {
    await app(null).handlers['app.menu']({ x: 1, y: 1 }, null)
    electron.menu = false
    await app().handlers['app.menu']({ x: 1, y: 1 }, null)
    expect(electron.popups).toEqual([])
  })

  it.each([
    ['close', false, 'close'],
    ['minimize', false, 'minimize'],
    ['minimize', true, 'minimize'],
    ['maximize', false, 'maximize'],
    ['maximize', true, 'unmaximize'],
  ] as const)('is to %s the window, maximized: %s', async (action, maximized, done) => {
    const window = fakeWindow(maximized)
    expect(await app(window).handlers['app.window']({ action }, null)).toBeNull()
    expect(window.asked).toEqual([done])
  })

  it.each(['close', 'minimize', 'maximize'] as const)('is to %s no window: then nothing', async (action) => {
    expect(await app(null).handlers['app.window']({ action }, null)).toBeNull()
  })

  it('is a text for the clipboard', async () => {
    expect(await app().handlers['app.copy']({ text: 'haiku' }, null)).toBeNull()
    expect(electron.copied).toEqual(['haiku'])
  })

  it('is a new start, or the folder of the logs', async () => {
    const { deps, handlers } = app()
    expect(await handlers['app.restart'](null, null)).toBeNull()
    expect(deps.restart).toHaveBeenCalledOnce()
    expect(deps.openLogs).not.toHaveBeenCalled()
    expect(await handlers['app.openLogs'](null, null)).toBeNull()
    expect(deps.openLogs).toHaveBeenCalledOnce()
  })

  it('fails where the folder of the logs cannot be opened', async () => {
    const { deps, handlers } = app()
    deps.openLogs.mockRejectedValue(new Error('no'))
    await expect(handlers['app.openLogs'](null, null)).rejects.toThrow('no')
  })
})
