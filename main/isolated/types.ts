/** How untrusted work is kept apart: what runs it, and what it may use. */

export interface Limits {
  /** From the moment the child has the input. */
  milliseconds: number
  /** Of the answer, as JSON in UTF-8. */
  outputBytes: number
  signal?: AbortSignal | undefined
}

/**
 * Runs `script` (a built file, an absolute path) on `input` in a child process and gives its answer; both are plain
 * JSON data. Fails with IsolationError. One call runs at a time for each script; more of them wait.
 */
export type RunIsolated = (script: string, input: unknown, limits: Limits) => Promise<unknown>

export type IsolationReason =
  /** It took longer than `milliseconds`. */
  | 'time'
  /** Its answer was longer than `outputBytes`. */
  | 'output'
  /** The process ended before it answered, most often for want of memory. */
  | 'crash'
  /** The script threw; `message` is its. */
  | 'failed'
  /** `signal` was aborted. */
  | 'aborted'

export class IsolationError extends Error {
  readonly reason: IsolationReason

  constructor(reason: IsolationReason, message: string) {
    super(message)
    this.name = 'IsolationError'
    this.reason = reason
  }
}

/** A running child. Messages are plain JSON data. A later listener takes the place of the one before. */
export interface Child {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  /** Whatever the cause; also where the process could not be started, or has ended already. */
  onExit(listener: () => void): void
  kill(): void
  /** Whether a child that only waits may keep this process alive. */
  holdProcess(hold: boolean): void
}

/** A flag of V8: neither eval() nor the constructor of a function makes code in the child. */
export const NO_CODE_FROM_TEXT = '--disallow-code-generation-from-strings'

/** Starts a process that runs `script` with at most `memoryMegabytes` of JavaScript heap. */
export interface ChildLauncher {
  launch(script: string, memoryMegabytes: number): Child
}

/** child → parent. The first message is 'ready'. */
export type ChildMessage =
  | { type: 'ready' }
  | { type: 'answer'; json: string }
  | { type: 'error'; message: string }
  | { type: 'tooLong' }
/** parent → child. */
export interface ParentMessage {
  input: unknown
  outputBytes: number
}
