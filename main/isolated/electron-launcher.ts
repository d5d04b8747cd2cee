import path from 'node:path'
import { TEMPLATE_PROCESS } from '../crashes.ts'
import { NO_CODE_FROM_TEXT, type ChildLauncher } from './types.ts'

/** The part of Electron's UtilityProcess that is used: this file does not import electron. */
export interface UtilityProcessLike {
  postMessage(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  once(event: 'exit', listener: () => void): unknown
  kill(): boolean
}
export interface UtilityProcessModule {
  fork(
    modulePath: string,
    args: string[],
    options: {
      env: Record<string, string>
      execArgv: string[]
      stdio: 'ignore'
      serviceName: string
      cwd: string
    },
  ): UtilityProcessLike
}

/** Children inside Electron: `electronLauncher(utilityProcess)`. Works after app's `ready`. */
export function electronLauncher(utilityProcess: UtilityProcessModule): ChildLauncher {
  return {
    launch(script, memoryMegabytes) {
      const child = utilityProcess.fork(script, [], {
        // Electron takes an empty environment for none that was given, and hands on its own.
        env: { KIGO_CHILD: 'template' },
        // Node's flags, such as its permissions, are not heeded here; V8's are.
        execArgv: [`--js-flags=--max-old-space-size=${memoryMegabytes} ${NO_CODE_FROM_TEXT}`],
        cwd: path.parse(process.execPath).root,
        stdio: 'ignore',
        serviceName: TEMPLATE_PROCESS,
      })
      let ended = false
      let onExit = (): void => {}
      let onMessage = (_message: unknown): void => {}
      child.once('exit', () => {
        ended = true
        onExit()
      })
      child.on('message', (message) => onMessage(message))
      return {
        send: (message) => child.postMessage(message),
        onMessage: (listener) => {
          onMessage = listener
        },
        onExit: (listener) => {
          onExit = listener
          if (ended) listener()
        },
        kill: () => {
          child.kill()
        },
        // Electron's own window decides how long the app lives.
        holdProcess: () => {},
      }
    },
  }
}
