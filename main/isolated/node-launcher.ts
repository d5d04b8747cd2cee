import { fork } from 'node:child_process'
import type { ChildLauncher } from './types.ts'

/** Children under plain Node: the command line and tests. */
export const nodeLauncher: ChildLauncher = {
  launch(script, memoryMegabytes) {
    // Nothing of this process but what is sent: no environment, no inherited flags, no terminal.
    const child = fork(script, [], {
      env: {},
      execArgv: [`--max-old-space-size=${memoryMegabytes}`],
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
