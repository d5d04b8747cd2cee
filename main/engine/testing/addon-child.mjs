/**
 * A process of its own for addon.test.ts: `node addon-child.mjs ADDON FAKE SCENARIO`. Each scenario ends the process,
 * or an environment in it, at a bad moment; what counts is that the exit code is 0 and comes soon.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'

const [addonPath, fakePath, scenario] = isMainThread ? process.argv.slice(2) : workerData
const addon = createRequire(import.meta.url)(addonPath)
await addon.loadBackend(fakePath)

const cancel = addon.createCancelToken()
const open = (onProgress = () => {}) =>
  addon.openModel(tinyModel(), {
    placements: [{ device: 'fake:0', layerFirst: 0, layerLast: 1 }],
    ...{ exact: false, threads: 1, cancel, onProgress },
  })
const generate = (session, onTokens = () => {}) =>
  session.generate({
    tokens: Int32Array.of(1, 2, 3),
    sampling: {
      temperature: 1,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      repeatPenalty: 1,
      repeatLastN: 64,
      presencePenalty: 0,
      frequencyPenalty: 0,
      seed: 1,
    },
    maxTokens: 0,
    endTokens: new Int32Array(0),
    exemptTokens: new Int32Array(0),
    topLogprobs: 3,
    cancel,
    onPrefill() {},
    onTokens,
  })

/** Resolves in the middle of a load, or of a reply: at its first sign of life. */
const loading = () =>
  new Promise((begun, failed) => {
    open(begun).catch(failed)
  })
const generating = async () => {
  const session = await (await open()).createSession({ nCtx: 100_000, nBatch: 8 })
  await new Promise((begun, failed) => {
    generate(session, begun).catch(failed)
  })
}

/** A worker that does `inner` is terminated when it is in the middle of it; its memory must come back. */
async function terminateWorker(inner) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: [addonPath, fakePath, inner] })
  await new Promise((begun, failed) => worker.once('message', begun).once('error', failed))
  await worker.terminate()
  const { freeBytes, totalBytes } = addon.devices()[0]
  if (freeBytes !== totalBytes) throw new Error('a worker left memory behind')
}

/** A model that the fake backend takes: one layer, no file behind it. */
function tinyModel() {
  const tensors = []
  let offset = 0
  const add = (name, ...dims) => {
    const bytes = 4 * dims.reduce((a, b) => a * b, 1)
    tensors.push({ name: `${name}.weight`, type: 0, dims, file: 0, offset, bytes })
    offset += bytes
  }
  add('token_embd', 8, 50)
  for (const norm of ['blk.0.attn_norm', 'blk.0.ffn_norm', 'output_norm']) add(norm, 8)
  for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']) {
    add(`blk.0.${name}`, 8, 8)
  }
  return {
    config: {
      architecture: 'llama',
      nLayer: 1,
      nEmbd: 8,
      nVocab: 50,
      nCtxTrain: 4096,
      normEps: 1e-5,
      embeddingScale: 1,
      logitSoftcap: 0,
      layers: [
        {
          mixer: 'attention',
          ffn: 'dense',
          nHead: 1,
          nHeadKv: 1,
          headDim: 8,
          nFf: 8,
          activation: 'silu',
          rope: 'norm',
          nRot: 8,
          ropeBase: 10000,
          ropeScale: 1,
          yarnOriginalCtx: 0,
          ropeMscale: 1,
          ropeFreqs: false,
          attnScale: 1,
          attnSoftcap: 0,
          window: 0,
        },
      ],
    },
    tensors,
    files: [{ path: '/nowhere', bytes: offset, mtimeMs: 0 }],
  }
}

const scenarios = {
  /** The process ends while a model loads. */
  async 'exit-while-loading'() {
    await loading()
    process.exit(0)
  },
  async 'exit-while-generating'() {
    await generating()
    process.exit(0)
  },
  /** Nothing is awaited any more: the event loop must run empty though a model is open. */
  async 'leave-open'() {
    globalThis.model = await open()
    globalThis.session = await globalThis.model.createSession({ nCtx: 64, nBatch: 8 })
  },
  /** Everything is collected without a close; the memory must come back. */
  async 'collect-unclosed'() {
    const free = addon.devices()[0].freeBytes
    await (async () => {
      for (let i = 0; i < 5; i++) await (await open()).createSession({ nCtx: 64, nBatch: 8 })
    })()
    // Memory that never comes back is found out by the one who waits for this process.
    while (addon.devices()[0].freeBytes !== free) {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  },
  'terminate-worker-while-loading': () => terminateWorker('load'),
  'terminate-worker-while-generating': () => terminateWorker('generate'),
  /** In a worker: tells when it is in the middle, and goes on until it is terminated. */
  async load() {
    await loading()
    parentPort.postMessage('loading')
  },
  async generate() {
    await generating()
    parentPort.postMessage('generating')
  },
  async 'throw-in-callback'() {
    const session = await (await open()).createSession({ nCtx: 100_000, nBatch: 8 })
    const thrown = new Error('from onTokens')
    const failing = session.generate({
      ...{ tokens: Int32Array.of(1), maxTokens: 0, endTokens: new Int32Array(0), topLogprobs: 0, cancel },
      exemptTokens: new Int32Array(0),
      sampling: {
        ...{ temperature: 0, topK: 0, topP: 1, minP: 0, repeatPenalty: 1, repeatLastN: 0 },
        ...{ presencePenalty: 0, frequencyPenalty: 0, seed: 0 },
      },
      onPrefill() {},
      onTokens() {
        throw thrown
      },
    })
    const caught = await failing.then(
      () => null,
      (error) => error,
    )
    if (caught !== thrown) throw new Error('the error of a callback was lost')
  },
  /** A model's thread cannot be started: said by a code, nothing is awaited for ever, and what is open goes on. */
  async 'no-more-threads'() {
    const session = await (await open()).createSession({ nCtx: 64, nBatch: 8 })
    // No room for another thread's stack of 8 MiB. One of a thread that has ended may be there to be used again.
    const status = readFileSync('/proc/self/status', 'utf8')
    const kib = Number(/^VmSize:\s*(\d+) kB$/m.exec(status)[1]) + 4096
    execFileSync('prlimit', ['--pid', String(process.pid), `--as=${kib * 1024}`])
    let refused = null
    for (let i = 0; i < 5 && refused === null; i++) {
      await open().catch((error) => (refused = error))
      await addon.loadBackend(fakePath).catch((error) => (refused ??= error))
    }
    if (refused?.code !== 'OUT_OF_MEMORY') throw new Error(`a thread too many: ${refused}`)
    if (!refused.message.includes('threads')) throw refused
    await session.truncate(0)
  },
}

await scenarios[scenario]()
