import { app, clipboard, Menu, type BrowserWindow } from 'electron'
import { mostThreads } from '../engine/threads.ts'
import type { SettingsStore } from '../store/settings.ts'
import { OWN_WINDOW_CONTROLS } from '../window.ts'
import type { Handlers, RoutesOf } from './router.ts'

export interface AppDeps {
  settings: SettingsStore
  bundledModel: string | null
  openLogs: () => Promise<void>
  restart: () => void
  window: () => BrowserWindow | null
  applyTheme: (theme: 'system' | 'light' | 'dark') => void
  /** The page has asked who it talks to, so it listens to events. Whether it shows the last conversation again. */
  onPageReady: () => boolean
}

export function appHandlers(deps: AppDeps): Handlers<RoutesOf<'app'>> {
  const { settings } = deps
  return {
    'app.info': () => {
      const reopen = deps.onPageReady()
      const { appearance, chat, load } = settings.current
      return {
        version: app.getVersion(),
        electron: process.versions.electron,
        platform: process.platform,
        ownWindowControls: OWN_WINDOW_CONTROLS,
        reopen,
        bundledModel: deps.bundledModel,
        mostThreads: mostThreads(),
        appearance,
        chatSettings: chat,
        loadSettings: load,
      }
    },
    'app.setAppearance': (change) => {
      const appearance = { ...settings.current.appearance, ...change }
      settings.update({ appearance })
      deps.applyTheme(appearance.theme)
      return appearance
    },
    'app.menu': ({ x, y }) => {
      const window = deps.window()
      if (window) Menu.getApplicationMenu()?.popup({ window, x: Math.round(x), y: Math.round(y) })
      return null
    },
    'app.openLogs': async () => {
      await deps.openLogs()
      return null
    },
    'app.restart': () => {
      deps.restart()
      return null
    },
    'app.window': ({ action }) => {
      const window = deps.window()
      if (action === 'close') window?.close()
      else if (action === 'minimize') window?.minimize()
      else if (window?.isMaximized()) window.unmaximize()
      else window?.maximize()
      return null
    },
    'app.copy': async ({ text }) => {
      await clipboard.writeText(text) // at once in Electron 33, a promise in the current one
      return null
    },
  }
}
