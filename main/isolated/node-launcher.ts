import { fork } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { NO_CODE_FROM_TEXT, type ChildLauncher } from './types.ts'

/** Node 20 has it as an experiment, newer ones for good. */
const PERMISSION = ['--permission', '--experimental-permission'].find((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
)

/** It reads the files beside its script, which is made of several, and nothing else; it starts no program and no thread. */
function permissions(script: string): string[] {
  if (!PERMISSION) return []
  const folder = path.dirname(script)
  // A checkout may be reached by a link, and Node looks at both names.
  const folders = new Set([folder, existsSync(folder) ? realpathSync(folder) : folder])
  return [PERMISSION, ...[...folders].map((allowed) => `--allow-fs-read=${path.join(allowed, '*')}`)]
}

/** Children under plain Node: the command line and tests. */
export const nodeLauncher: ChildLauncher = {
  launch(script, memoryMegabytes) {
    // Nothing of this process but what is sent: no environment, no inherited flags, no terminal.
    const child = fork(script, [], {
      env: {},
      execArgv: [
        `--max-old-space-size=${memoryMegabytes}`,
        NO_CODE_FROM_TEXT,
        '--disable-proto=delete',
        ...permissions(script),
      ],
      cwd: path.parse(process.execPath).root,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    let ended = false
    let onExit = (): void => {}
    let onMessage = (_message: unknown): void => {}
    const end = (): void => {
      ended = true
      onExit()
    }
    child.once('exit', end)
    // It could not be started, or was killed in the middle of a message.
    child.on('error', end)
    child.on('message', (message) => onMessage(message))
    return {
      send: (message) => {
        child.send(message as object, () => {})
      },
      onMessage: (listener) => {
        onMessage = listener
      },
      onExit: (listener) => {
        onExit = listener
        if (ended) listener()
      },
      kill: () => {
        child.kill('SIGKILL')
      },
      holdProcess: (hold) => {
        if (hold) {
          child.ref()
          child.channel?.ref()
        } else {
          child.unref()
          child.channel?.unref()
        }
      },
    }
  },
}
