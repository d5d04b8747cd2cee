/**
 * The store as the rest of main sees it: every method of methods.ts by name, answered when it is on the disk. One
 * worker thread owns the only connection, so methods run one after the other in the order of their calls.
 */
import { Worker } from 'node:worker_threads'
import { KigoError } from '../../../contract/errors.ts'
import type { Change, MessageId } from '../../../contract/tree.ts'
import { resourcePath } from '../../resources.ts'
import type { MethodName, Methods } from './methods.ts'
import type { StoreReply, StoreRequest } from './protocol.ts'

export interface StoreClient {
  call<M extends MethodName>(name: M, ...args: Parameters<Methods[M]>): Promise<ReturnType<Methods[M]>>
  /** A damaged database was kept under this name, and a new one begun. */
  readonly keptAside: string | null
  /** Replies that the end of the last run cut short. */
  readonly interrupted: readonly MessageId[]
  /** Everything that was called is on the disk when it resolves. Idempotent; later calls fail. */
  close(): Promise<void>
}

interface Waiting {
  resolve: (value: never) => void
  reject: (error: KigoError) => void
}

/**
 * Opens the database `file`, or begins it. `onChange` gets each change in its order, before the call that made it is
 * answered. Rejects with STORE_NEWER or STORE_UNWRITABLE.
 */
export async function openStore(file: string, onChange: (change: Change) => void): Promise<StoreClient> {
  const worker = new Worker(resourcePath('main/store-worker.js'), { workerData: { file } })
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let ended: KigoError | null = null
  let closing: Promise<void> | null = null

  const end = (error: KigoError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  const opened = await new Promise<Extract<StoreReply, { type: 'opened' }>>((resolve, reject) => {
    const fail = (error: KigoError): void => {
      reject(error)
      end(error)
    }
    worker.on('message', (reply: StoreReply) => {
      if (reply.type === 'opened') return resolve(reply)
      if (reply.type === 'refused') return fail(KigoError.from(reply.error))
      const call = waiting.get(reply.id)
      waiting.delete(reply.id)
      if (reply.type === 'error') return call?.reject(KigoError.from(reply.error))
      reply.changes.forEach(onChange)
      call?.resolve(reply.value as never)
    })
    worker.on('error', (error) => fail(KigoError.from(error)))
    worker.on('exit', (code) =>
      fail(
        new KigoError('STORE_UNWRITABLE', undefined, {
          data: { message: `the store's worker ended (${code})` },
        }),
      ),
    )
  })

  const send = <T>(request: (id: number) => StoreRequest): Promise<T> => {
    if (ended) return Promise.reject(ended)
    const id = nextId++
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      worker.postMessage(request(id))
    })
  }
  return {
    keptAside: opened.keptAside,
    interrupted: opened.interrupted,
    call: (name, ...args) => send((id) => ({ id, name, args })),
    close() {
      closing ??= send<void>((id) => ({ id, name: 'close' })).finally(() => worker.terminate())
      return closing
    },
  }
}
