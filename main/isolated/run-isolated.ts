import {
  IsolationError,
  type Child,
  type ChildLauncher,
  type ChildMessage,
  type Limits,
  type ParentMessage,
  type RunIsolated,
} from './types.ts'

/** Enough for any honest template; a program that fills it is ended by V8 itself. */
const MEMORY_MEGABYTES = 128
/** Starting a process is not the script's time, but it may not take for ever either. */
const START_MILLISECONDS = 20_000

export interface Isolation {
  run: RunIsolated
  /** Ends the children that are kept. */
  close(): void
}

/**
 * runIsolated() over a way to start processes. A child is kept for the next call, because starting one costs tens of
 * milliseconds; one that was too slow, talked too much, crashed or was aborted is killed, and the next call gets a
 * new one. Limits are held here, outside of the process they are for.
 */
export function createIsolation(launcher: ChildLauncher): Isolation {
  const idle = new Map<string, Child>()
  const busy = new Set<Child>()
  const queues = new Map<string, Promise<unknown>>()

  const keep = (script: string, child: Child): void => {
    idle.set(script, child)
    child.holdProcess(false)
    child.onExit(() => {
      if (idle.get(script) === child) idle.delete(script)
    })
  }

  const runNow = async (script: string, input: unknown, limits: Limits): Promise<unknown> => {
    if (limits.signal?.aborted) throw new IsolationError('aborted', 'aborted before it began')
    const warm = idle.get(script)
    const child = warm ?? launcher.launch(script, MEMORY_MEGABYTES)
    idle.delete(script)
    busy.add(child)
    try {
      const answer = await converse(child, warm !== undefined, input, limits)
      keep(script, child)
      return answer
    } catch (error) {
      // A script that threw is well; anything else is not to be trusted again.
      if (error instanceof IsolationError && error.reason === 'failed') keep(script, child)
      else child.kill()
      throw error
    } finally {
      busy.delete(child)
    }
  }

  return {
    run(script, input, limits) {
      const before = queues.get(script) ?? Promise.resolve()
      const turn = before.catch(() => {}).then(() => runNow(script, input, limits))
      queues.set(script, turn)
      return turn
    },
    close() {
      for (const child of [...idle.values(), ...busy]) child.kill()
      idle.clear()
    },
  }
}

/** One question, one answer. */
function converse(child: Child, started: boolean, input: unknown, limits: Limits): Promise<unknown> {
  const { milliseconds, outputBytes, signal } = limits
  child.holdProcess(true)
  let timer: NodeJS.Timeout | undefined
  let abort = (): void => {}
  return new Promise<unknown>((resolve, reject) => {
    const fail = (reason: IsolationError['reason'], message: string): void =>
      reject(new IsolationError(reason, message))
    const within = (limit: number): void => {
      clearTimeout(timer)
      timer = setTimeout(() => fail('time', `took longer than ${limit} ms`), limit)
    }
    const ask = (): void => {
      within(milliseconds)
      child.send({ input, outputBytes } satisfies ParentMessage)
    }
    abort = () => fail('aborted', 'aborted')
    signal?.addEventListener('abort', abort, { once: true })
    child.onExit(() => fail('crash', 'the process ended, most likely for want of memory'))
    child.onMessage((raw) => {
      const message = raw as ChildMessage
      if (message.type === 'ready') ask()
      else if (message.type === 'error') fail('failed', message.message)
      else if (message.type === 'tooLong' || Buffer.byteLength(message.json) > outputBytes)
        fail('output', `gave more than ${outputBytes} bytes`)
      else resolve(JSON.parse(message.json))
    })
    if (started) ask()
    else within(START_MILLISECONDS)
  }).finally(() => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  })
}
