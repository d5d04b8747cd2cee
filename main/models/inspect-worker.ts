/**
 * The thread that reads and judges one header: a vocabulary has up to a quarter of a million entries, and the
 * main thread must not stand still for it. Templates are run by the parent, which alone can start children.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KigoError, type ErrorData } from '../../contract/errors.ts'
import { templateOfSettings, templateVerdict } from '../chat/prompt.ts'
import { readGguf } from '../gguf/index.ts'
import { IsolationError, type IsolationReason, type Limits, type RunIsolated } from '../isolated/types.ts'
import { tokenizerFromGguf } from '../tokenizer/index.ts'
import { judgeGguf, type Judged } from './inspect.ts'

/** worker → parent. */
export type InspectMessage =
  /** The parent, which has the engine, plans the memory. */
  | { type: 'judged'; judged: Judged }
  | { type: 'failed'; error: ErrorData }
  | { type: 'run'; id: number; script: string; input: unknown; limits: Omit<Limits, 'signal'> }

/** parent → worker: the answer to `run`. */
export type InspectAnswer =
  | { id: number; ok: true; answer: unknown }
  | { id: number; ok: false; reason: IsolationReason; message: string }

const port = parentPort
if (!port) throw new Error('inspect-worker runs in a worker thread')

const { file, chatTemplate } = workerData as { file: string; chatTemplate: string }
const waiting = new Map<number, (answer: InspectAnswer) => void>()
port.on('message', (answer: InspectAnswer) => waiting.get(answer.id)?.(answer))

const send = (message: InspectMessage): void => port.postMessage(message)

const run: RunIsolated = (script, input, { milliseconds, outputBytes }) =>
  new Promise((resolve, reject) => {
    const id = waiting.size
    waiting.set(id, (answer) => {
      if (answer.ok) resolve(answer.answer)
      else reject(new IsolationError(answer.reason, answer.message))
    })
    send({ type: 'run', id, script, input, limits: { milliseconds, outputBytes } })
  })

try {
  const gguf = await readGguf(file)
  const judged = await judgeGguf(gguf, file, {
    templateVerdict: ({ metadata }) =>
      templateVerdict(metadata, run, undefined, templateOfSettings({ chatTemplate })),
    checkTokenizer: (metadata) => void tokenizerFromGguf(metadata),
  })
  send({ type: 'judged', judged })
} catch (error) {
  send({ type: 'failed', error: KigoError.from(error).toData() })
}
port.close()
