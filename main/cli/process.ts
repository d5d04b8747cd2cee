import type { ChildLauncher } from '../isolated/types.ts'
import { runCli } from './index.ts'

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

  // `kigo … | head`: once nobody reads, stop working and end as if all had been said.
  let closed = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    closed = true
    controller.abort()
  })
  process.stderr.on('error', () => {})

  const status = await runCli(args, {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: controller.signal,
    ...(launcher ? { launcher } : {}),
  })
  if (interrupted) return 130
  return closed ? 0 : status
}
