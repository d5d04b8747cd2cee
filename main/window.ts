/** The one window: frameless with the page's own title bar, shown when it has something to show. */
import path from 'node:path'
import { BrowserWindow, nativeTheme, screen } from 'electron'
import { APP_URL } from './app-files.ts'
import { watchContextMenu } from './context-menu.ts'
import { watchPage, type PageHealthOptions } from './page-health.ts'
import { resourcePath } from './resources.ts'
import type { SettingsStore } from './store/settings.ts'
import { TEST_HOOKS } from './test-hooks.ts'
import { bringBack, MINIMUM_SIZE, placeWindow } from './window-bounds.ts'

/** `--paper` of the page's tokens, so that nothing flashes before its first paint. */
const PAPER = { light: '#f9fbfa', dark: '#16191c' }

/** Pauses this long after the last move or resize before the place is remembered, ms. */
const SETTLE_MS = 400

export const OWN_WINDOW_CONTROLS = process.platform !== 'darwin'

export interface WindowOptions {
  settings: SettingsStore
  /** What is told of the page's troubles, and who ends them. */
  health: Omit<PageHealthOptions, 'load'>
}

export function openWindow({ settings, health }: WindowOptions): BrowserWindow {
  const remembered = settings.current.window
  const window = new BrowserWindow({
    ...placeWindow(
      remembered,
      screen.getAllDisplays().map((display) => display.workArea),
    ),
    minWidth: MINIMUM_SIZE.width,
    minHeight: MINIMUM_SIZE.height,
    title: 'Kigo',
    show: false,
    backgroundColor: nativeTheme.shouldUseDarkColors ? PAPER.dark : PAPER.light,
    ...(OWN_WINDOW_CONTROLS
      ? { frame: false, icon: path.join(resourcePath('renderer'), 'icon.png') }
      : { titleBarStyle: 'hiddenInset', trafficLightPosition: { x: 14, y: 15 } }),
    webPreferences: {
      preload: resourcePath('main/preload.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webviewTag: false,
      devTools: TEST_HOOKS,
      // The checker would fetch a dictionary.
      spellcheck: false,
      // Text must go on arriving while the window is covered: finished replies are announced.
      backgroundThrottling: false,
    },
  })
  if (remembered?.maximized) window.maximize()
  window.once('ready-to-show', () => window.show())
  rememberPlace(window, settings)
  keepInView(window)
  const load = (): void => void window.loadURL(APP_URL).catch(() => {}) // told by did-fail-load
  watchPage(window, { ...health, load })
  watchContextMenu(window)
  load()
  return window
}

function rememberPlace(window: BrowserWindow, settings: SettingsStore): void {
  let timer: NodeJS.Timeout | undefined
  const save = (): void => {
    clearTimeout(timer)
    if (window.isDestroyed() || window.isMinimized()) return
    settings.update({ window: { ...window.getNormalBounds(), maximized: window.isMaximized() } })
  }
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(save, SETTLE_MS)
  }
  window.on('resize', soon)
  window.on('move', soon)
  window.on('close', save)
  window.on('closed', () => clearTimeout(timer))
}

/** A screen that is taken away or changed may leave the window where nobody can reach it. */
function keepInView(window: BrowserWindow): void {
  const look = (): void => {
    if (window.isDestroyed() || window.isMinimized() || window.isMaximized() || window.isFullScreen()) return
    const bounds = bringBack(
      window.getBounds(),
      screen.getAllDisplays().map((display) => display.workArea),
    )
    if (bounds) window.setBounds(bounds)
  }
  const changes = ['display-removed', 'display-added', 'display-metrics-changed'] as const
  for (const change of changes) screen.on(change as 'display-removed', look)
  // What it was while it filled a screen that is gone by now.
  for (const change of ['restore', 'unmaximize', 'leave-full-screen'] as const)
    window.on(change as 'restore', look)
  window.on('closed', () => {
    for (const change of changes) screen.off(change as 'display-removed', look)
  })
}

/** Brings the window to the front, wherever it is. */
export function focusWindow(window: BrowserWindow): void {
  if (window.isMinimized()) window.restore()
  window.show()
  window.focus()
}
