/** What the command line asks of the program. Nothing here looks at the disk: a share may be dead. No Electron. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { KigoError } from '../contract/errors.ts'

/** Longer paths exist nowhere that Kigo runs, and no request of the page may hold one. */
export const MAX_PATH = 4096

/** What the command `kigo` was given, each argument still marked (marked.ts); null where the window is asked for. */
export function commandArguments(argv: readonly string[]): string[] | null {
  const end = argv.indexOf('--')
  const start = argv.indexOf('--cli')
  return start === -1 || (end !== -1 && end < start) ? null : argv.slice(start + 1)
}

export interface GivenFile {
  /** Absolute; where there is a problem, what was given. */
  path: string
  /** Why it can be no file at all, whatever the disk holds. */
  problem: KigoError | null
}

/**
 * The file or folder that was given, or null. The first argument is the program; switches are Chromium's, up to `--`;
 * and the folder of the app itself (`electron .`) is none. `workingDirectory` is null where it is gone.
 */
export function fileArgument(
  argv: readonly string[],
  workingDirectory: string | null,
  ownFolder: string,
): GivenFile | null {
  const end = argv.indexOf('--')
  for (const [index, argument] of argv.entries()) {
    const isSwitch = argument.startsWith('-') && (end === -1 || index <= end)
    if (index === 0 || argument === '' || isSwitch) continue
    const given = resolve(argument, workingDirectory)
    if (given.path !== ownFolder) return given
  }
  return null
}

function resolve(argument: string, workingDirectory: string | null): GivenFile {
  if (argument.length > MAX_PATH)
    return unusable(argument.slice(0, MAX_PATH), 'This path is too long to be one.')
  // Some desktops hand over addresses instead of paths.
  if (/^file:/i.test(argument)) return fromAddress(argument)
  if (path.isAbsolute(argument)) return { path: path.normalize(argument), problem: null }
  if (workingDirectory === null)
    return unusable(argument, 'The folder in which Kigo was started is not there any more.')
  return { path: path.resolve(workingDirectory, argument), problem: null }
}

function fromAddress(address: string): GivenFile {
  try {
    const file = path.normalize(fileURLToPath(address))
    if (!file.includes('\0')) return { path: file, problem: null }
  } catch {
    // said below
  }
  return unusable(address, 'This address names no file on this computer.')
}

function unusable(given: string, sentence: string): GivenFile {
  const problem = new KigoError('MODEL_UNREADABLE', sentence, {
    hint: 'Give the path of a .gguf file, or choose it in the window.',
    data: { path: given },
  })
  return { path: given, problem }
}
