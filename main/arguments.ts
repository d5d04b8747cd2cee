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

/** Plain data: a second instance sends it to the first. */
export interface GivenFile {
  /** Absolute; where there is a problem, what was given, cut to MAX_PATH. */
  path: string
  /** Why it can be no file at all, whatever the disk holds. */
  problem: string | null
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
  // Some desktops hand over addresses instead of paths.
  const given = /^file:/i.test(argument) ? fileAt(argument) : argument
  if (given === null) return unusable(argument, 'This address names no file on this computer.')
  if (!path.isAbsolute(given) && workingDirectory === null)
    return unusable(given, 'The folder in which Kigo was started is not there any more.')
  const file = path.resolve(workingDirectory ?? '/', given)
  return file.length > MAX_PATH ? unusable(file, TOO_LONG) : { path: file, problem: null }
}

function fileAt(address: string): string | null {
  try {
    const file = fileURLToPath(address)
    return file.includes('\0') ? null : file
  } catch {
    return null
  }
}

const TOO_LONG = 'This path is too long to be one.'

function unusable(given: string, problem: string): GivenFile {
  return { path: given.slice(0, MAX_PATH), problem }
}

/** The error of what was given and can be no file; null where it may be one. */
export function refusal({ path: given, problem }: GivenFile): KigoError | null {
  if (problem === null) return null
  return new KigoError('MODEL_UNREADABLE', problem, {
    hint: 'Give the path of a .gguf file, or choose it in the window.',
    data: { path: given },
  })
}

/**
 * Bytes of a command line at most. Chromium sends the whole command line to the instance that runs, which reads 32 KiB; where there is more, it takes
 * that instance for one that hangs and kills it. This leaves room for the folder and for a GivenFile.
 */
const MAX_COMMAND_LINE = 16 * 1024

/**
 * The arguments to start again with where these are too long to be sent (many files, or one that is none): the switches
 * and the one file that counts. Null where they can stay as they are.
 */
export function shortened(argv: readonly string[], file: GivenFile | null): string[] | null {
  if (bytesOf(argv) <= MAX_COMMAND_LINE) return null
  const end = argv.indexOf('--')
  const switches = argv.slice(1, end === -1 ? undefined : end).filter((argument) => argument.startsWith('-'))
  // One that is too long stays so.
  const files = file ? [file.problem === TOO_LONG ? `${file.path}…` : file.path] : []
  const short = [...switches, '--', ...files]
  if (bytesOf(short) > MAX_COMMAND_LINE)
    throw new KigoError('INVALID_INPUT', 'The switches on the command line are too long.', {
      hint: 'Start Kigo with fewer of them.',
    })
  return short
}

const bytesOf = (argv: readonly string[]): number => Buffer.byteLength(argv.join('\0'))
