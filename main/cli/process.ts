import { getSystemErrorMap } from 'node:util'
import type { ChildLauncher } from '../isolated/types.ts'
import { runCli } from './index.ts'
import { flush, openStdout, writeLine } from './io.ts'

/**
 * Runs the command in this process: its streams and Ctrl+C; resolves to the exit status. `launcher` starts child
 * processes where Node's own way does not work: inside Electron.
 */
export async function runCliProcess(args: readonly string[], launcher?: ChildLauncher): Promise<number> {
  const controller = new AbortController()
  let interrupted = false
  process.on('SIGINT', () => {
    // The first asks to stop within a token; a second one does not wait.
    if (interrupted) process.exit(130)
    interrupted = true
    controller.abort()
  })

  // What cannot be said ends the work. `kigo … | head`: once nobody reads, as if all had been said; else as a failure.
  let unread = false
  let lost: NodeJS.ErrnoException | null = null
  const stdout = openStdout(process.stdout)
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') unread = true
    else lost ??= error
    controller.abort()
  })
  process.on('SIGXFSZ', () => {}) // a file that may not grow is such an error too, and no end by a signal
  process.stderr.on('error', () => {}) // there is no place left to say it

  const status = await runCli(args, {
    stdin: process.stdin,
    stdout,
    stderr: process.stderr,
    signal: controller.signal,
    ...(launcher ? { launcher } : {}),
  })
  await flush(stdout) // the last words may fail too
  if (lost) {
    await writeLine(process.stderr, `error INVALID_INPUT: The output cannot be written: ${reasonOf(lost)}.`)
    await flush(process.stderr)
    return 1
  }
  await flush(process.stderr)
  if (interrupted) return 130
  return unread ? 0 : status
}

/** "no space left on device", in the system's words. */
function reasonOf({ errno, message }: NodeJS.ErrnoException): string {
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  return words ?? message
}
