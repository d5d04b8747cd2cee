/** Entry of the worker thread that owns the only connection to the database: see client.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { openDatabase } from './database.ts'
import { Store } from './methods.ts'
import type { StoreReply, StoreRequest } from './protocol.ts'
import { storeError } from './store-error.ts'

const port = parentPort
if (!port) throw new Error('this is a worker thread')
const { file } = workerData as { file: string }
const reply = (message: StoreReply): void => port.postMessage(message)

try {
  const { db, keptAside } = openDatabase(file)
  const store = new Store(db)
  const { value: interrupted } = store.call('recover', [])
  port.on('message', (request: StoreRequest) => {
    try {
      if (request.name === 'close') {
        store.close()
        reply({ type: 'answer', id: request.id, value: null, changes: [], rev: 0 })
        port.close()
      } else {
        const answer = store.call(request.name, request.args as never)
        reply({ type: 'answer', id: request.id, ...answer })
      }
    } catch (error) {
      reply({ type: 'error', id: request.id, error: storeError(error, file).toData() })
    }
  })
  reply({ type: 'opened', keptAside, interrupted })
} catch (error) {
  reply({ type: 'refused', error: storeError(error, file).toData() })
}
