import { describe, expect, it } from 'vitest'
import { checkDisplay, hasDisplay } from './display.ts'

const on = (platform: NodeJS.Platform, env: Record<string, string> = {}, ...args: string[]) => ({
  platform,
  env,
  argv: ['/opt/Kigo', ...args],
})

describe('a display', () => {
  it('is there where the session names one, or a switch asks for one of its own', () => {
    expect(hasDisplay(on('linux', { DISPLAY: ':0' }))).toBe(true)
    expect(hasDisplay(on('linux', { WAYLAND_DISPLAY: 'wayland-0' }))).toBe(true)
    expect(hasDisplay(on('linux', {}, '--ozone-platform=headless'))).toBe(true)
    expect(hasDisplay(on('darwin'))).toBe(true)
    expect(hasDisplay(on('win32'))).toBe(true)
  })

  it('is missing elsewhere, which is said with the way out', () => {
    expect(() => checkDisplay(on('linux', { DISPLAY: '', WAYLAND_DISPLAY: '' }))).toThrow('no display')
    expect(() => checkDisplay(on('linux'))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('bin/kigo') }),
    )
  })
})
