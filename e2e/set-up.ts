/** Before any test: which Electron, and a display of our own where there is none. */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const root = path.dirname(import.meta.dirname)

export default async function setUp(): Promise<() => void> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [path.join(root, 'scripts', 'electron-path.mjs')],
    { cwd: root },
  )
  process.env['KIGO_TEST_ELECTRON'] = stdout.trim()
  rmSync(path.join(root, 'test-results', 'screens'), { recursive: true, force: true })

  if (process.platform !== 'linux' || process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'])
    return () => {}
  const { startXvfb } = (await import(
    pathToFileURL(path.join(root, 'scripts', 'setup', 'display.mjs')).href
  )) as Displays
  const display = await startXvfb()
  Object.assign(process.env, display.env)
  return () => display.stop()
}

/** What is used of a script, which has no types. */
interface Displays {
  startXvfb: () => Promise<{ env: Record<string, string>; stop: () => void }>
}
