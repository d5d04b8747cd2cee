/** What the command line asks of the app. No Electron: tested under Node. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The file that was given, absolute, or null. The first argument is the program; switches are Chromium's; and
 * the folder of the app itself (`electron .`) is no file.
 */
export function fileArgument(argv: readonly string[], workingDirectory: string): string | null {
  for (const argument of argv.slice(1)) {
    if (argument === '' || argument.startsWith('-')) continue
    // Some desktops hand over addresses instead of paths.
    const file = argument.startsWith('file:///')
      ? fileURLToPath(argument)
      : path.resolve(workingDirectory, argument)
    if (!statSync(file, { throwIfNoEntry: false })?.isDirectory()) return file
  }
  return null
}
