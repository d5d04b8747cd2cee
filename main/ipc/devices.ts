import { deviceList, type Addon } from '../engine/index.ts'
import type { Handlers, RoutesOf } from './router.ts'

export function devicesHandlers(deps: { addon: () => Promise<Addon> }): Handlers<RoutesOf<'devices'>> {
  return { 'devices.list': async () => deviceList((await deps.addon()).devices()) }
}
