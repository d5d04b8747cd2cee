/** Entry of the worker that holds one model's header and tokenizer: see client.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { KigoError } from '../../contract/errors.ts'
import { readGguf, type Gguf } from '../gguf/index.ts'
import { describeModel } from '../models/describe.ts'
import { notesOf } from '../models/notes.ts'
import { encodePrompt, tokenizerFromGguf, type Tokenizer } from './index.ts'
import type { OpenedModel, WorkerAnswer, WorkerReply, WorkerRequest } from './protocol.ts'

const port = parentPort
if (!port) throw new Error('this is a worker thread')
const reply = (message: WorkerReply, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer)

try {
  const { metadata, ...gguf } = await readGguf((workerData as { path: string }).path)
  const description = describeOrSay({ ...gguf, metadata })
  const tokenizer = tokenizerOrSay(metadata, description)
  const opened = describe(gguf, metadata, tokenizer, description)
  port.on('message', (request: WorkerRequest) => {
    try {
      const value = answer(tokenizer, request)
      reply(
        { type: 'reply', id: request.id, value },
        value instanceof Int32Array ? [value.buffer as ArrayBuffer] : [],
      )
    } catch (error) {
      reply({ type: 'error', id: request.id, error: KigoError.from(error).toData() })
    }
  })
  reply({ type: 'opened', opened }, [opened.pieces.bytes.buffer, opened.pieces.offsets.buffer])
  // Builds the table of merges while nobody waits for it.
  tokenizer.encode('a', { special: false, addBosEos: false })
} catch (error) {
  reply({ type: 'failed', error: KigoError.from(error).toData() })
}

function describe(
  gguf: Omit<Gguf, 'metadata'>,
  metadata: Gguf['metadata'],
  tokenizer: Tokenizer,
  description: OpenedModel['description'],
): OpenedModel {
  const { model, pre, size, bos, eos, addBos, addEos, bosText, eosText, endTokens, controlTexts } = tokenizer
  return {
    gguf,
    metadata: new Map([...metadata].filter(([, value]) => typeof value !== 'object')),
    facts: { model, pre, size, bos, eos, addBos, addEos, bosText, eosText, endTokens, controlTexts },
    // The tokenizer keeps its own, to decode.
    pieces: structuredClone(tokenizer.pieces()),
    description,
  }
}

function describeOrSay(gguf: Gguf): OpenedModel['description'] {
  try {
    const model = describeModel(gguf)
    return { ok: true, model, notes: notesOf(gguf, model) }
  } catch (error) {
    return { ok: false, problem: KigoError.from(error).toData() }
  }
}

/** What is no model at all needs no tokenizer: that it is none says more than what its vocabulary lacks. */
function tokenizerOrSay(metadata: Gguf['metadata'], description: OpenedModel['description']): Tokenizer {
  try {
    return tokenizerFromGguf(metadata)
  } catch (error) {
    throw description.ok ? error : KigoError.from(description.problem)
  }
}

function answer(tokenizer: Tokenizer, request: WorkerRequest): WorkerAnswer {
  switch (request.type) {
    case 'encode':
      return Int32Array.from(tokenizer.encode(request.text, request.options))
    case 'encodePrompt':
      return Int32Array.from(encodePrompt(tokenizer, request.prompt))
    case 'templateTokens':
      return tokenizer.templateTokens(request.written, request.behind)
    case 'decode':
      return tokenizer.decode(request.ids, { special: request.special })
  }
}
