/** Whether there can be a window at all: without a display Chromium crashes where it looks for one. No Electron. */
import { KigoError } from '../contract/errors.ts'

/** Throws where this Linux session has no display, and none is asked for by a switch. */
export function checkDisplay({
  platform,
  env,
  argv,
}: Pick<NodeJS.Process, 'platform' | 'env' | 'argv'> = process): void {
  if (hasDisplay({ platform, env, argv })) return
  throw new KigoError('INTERNAL', 'There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set).', {
    hint: 'Start Kigo in a desktop session, or use the command, bin/kigo, which needs none.',
  })
}

export function hasDisplay({
  platform,
  env,
  argv,
}: Pick<NodeJS.Process, 'platform' | 'env' | 'argv'>): boolean {
  if (platform !== 'linux' || env['DISPLAY'] || env['WAYLAND_DISPLAY']) return true
  return argv.some((argument) => argument.startsWith('--ozone-platform'))
}
