import type { SettingsStore } from '../store/settings.ts'
import type { Handlers, RoutesOf } from './router.ts'

export function settingsHandlers({ settings }: { settings: SettingsStore }): Handlers<RoutesOf<'settings'>> {
  return {
    'settings.chat': (change) => {
      const chat = { ...settings.current.chat, ...change }
      settings.update({ chat })
      return chat
    },
    'settings.load': (change) => {
      const load = { ...settings.current.load, ...change }
      settings.update({ load })
      return load
    },
  }
}
