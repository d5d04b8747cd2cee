import type { Addon } from '../engine/index.ts'
import type { Handlers, RoutesOf } from './router.ts'

export function devicesHandlers(deps: { addon: () => Addon }): Handlers<RoutesOf<'devices'>> {
  return {
    'devices.list': () =>
      deps
        .addon()
        .devices()
        .map(({ id, name, totalBytes, freeBytes, detail, threads }) => ({
          id,
          name,
          totalBytes,
          freeBytes,
          detail,
          threads,
        })),
  }
}
