/** What the command line asks of the app. No Electron: tested under Node. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The file that was given, absolute, or null. The first argument is the program; up to `--` switches are Chromium's; and
 * the folder of the app itself (`electron .`) is no file.
 */
export function fileArgument(argv: readonly string[], workingDirectory: string): string | null {
  const end = argv.indexOf('--')
  for (const [index, argument] of argv.entries()) {
    const isSwitch = argument.startsWith('-') && (end === -1 || index <= end)
    if (index === 0 || argument === '' || isSwitch) continue
    // Some desktops hand over addresses instead of paths.
    const file = argument.startsWith('file:///')
      ? fileURLToPath(argument)
      : path.resolve(workingDirectory, argument)
    if (!statSync(file, { throwIfNoEntry: false })?.isDirectory()) return file
  }
  return null
}

/** What the command `kigo` was given, each argument still marked; null where the window is asked for. */
export function commandArguments(argv: readonly string[]): string[] | null {
  const end = argv.indexOf('--')
  const start = argv.indexOf('--cli')
  return start === -1 || (end !== -1 && end < start) ? null : argv.slice(start + 1)
}
