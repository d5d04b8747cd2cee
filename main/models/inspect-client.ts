/** inspectModel() without standing still: the header is read in a thread, the memory planned here. */
import { Worker } from 'node:worker_threads'
import { KigoError } from '../../contract/errors.ts'
import type { Inspection } from '../../contract/model.ts'
import type { Addon } from '../engine/addon.ts'
import { IsolationError, type RunIsolated } from '../isolated/types.ts'
import { resourcePath } from '../resources.ts'
import type { InspectAnswer, InspectMessage } from './inspect-worker.ts'
import { withMemory, type Judged } from './inspect.ts'
import type { MemoryOptions } from './memory.ts'

export interface InspectInThreadOptions extends MemoryOptions {
  addon: () => Addon | Promise<Addon>
  run: RunIsolated
  /** In place of the file's own; blank: none. */
  chatTemplate?: string
  signal?: AbortSignal | undefined
}

/** Fails as inspectModel() does, and with CANCELLED where `signal` is aborted. */
export async function inspectInThread(file: string, options: InspectInThreadOptions): Promise<Inspection> {
  const judged = await judgeInThread(file, options)
  return judged.description ? withMemory(judged, await options.addon(), options) : judged.inspection
}

async function judgeInThread(
  file: string,
  { run, chatTemplate = '', signal }: InspectInThreadOptions,
): Promise<Judged> {
  if (signal?.aborted) throw new KigoError('CANCELLED')
  const worker = new Worker(resourcePath('main/inspect-worker.js'), {
    workerData: { file, chatTemplate },
  })
  let abort = (): void => {}
  try {
    return await new Promise<Judged>((resolve, reject) => {
      abort = () => reject(new KigoError('CANCELLED'))
      signal?.addEventListener('abort', abort, { once: true })
      worker.on('message', (message: InspectMessage) => {
        if (message.type === 'judged') resolve(message.judged)
        else if (message.type === 'failed') reject(KigoError.from(message.error))
        else {
          const { id, script, input, limits } = message
          run(script, input, { ...limits, signal }).then(
            (answer) => worker.postMessage({ id, ok: true, answer } satisfies InspectAnswer),
            (error: unknown) => {
              const { reason, message: text } =
                error instanceof IsolationError ? error : new IsolationError('crash', String(error))
              worker.postMessage({ id, ok: false, reason, message: text } satisfies InspectAnswer)
            },
          )
        }
      })
      worker.on('error', (error) => reject(KigoError.from(error)))
      worker.on('exit', (code) => {
        reject(
          new KigoError('INTERNAL', undefined, {
            data: { message: `the thread that reads headers ended (${code})` },
          }),
        )
      })
    })
  } finally {
    signal?.removeEventListener('abort', abort)
    // Not waited for where nobody waits any more: a read from a dead share may hold the thread for ever.
    const ended = worker.terminate()
    if (!signal?.aborted) await ended
  }
}
