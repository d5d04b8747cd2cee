/**
 * `node rival-side.mjs MODEL THREADS PROMPT GENERATE`: node-llama-cpp's side, as its documentation has it, on the
 * CPU. Each figure after a warm-up of the same work. Prints {prefill, decode} in tokens per second.
 */
import { getLlama } from 'node-llama-cpp'

const [modelPath, ...numbers] = process.argv.slice(2)
const [threads, prompt, generate] = numbers.map(Number)

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' })
const model = await llama.loadModel({ modelPath })
const context = await model.createContext({
  contextSize: prompt + generate + 2,
  batchSize: 512,
  threads: { ideal: threads, min: threads },
})
const sequence = context.getSequence()
// The same ids as `kigo bench` takes.
const nVocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length
const ids = Array.from({ length: prompt }, (_, i) => (i * 7919 + 13) % nVocab)

async function prefill() {
  await sequence.clearHistory()
  const begin = performance.now()
  await sequence.evaluateWithoutGeneratingNewTokens(ids)
  return (prompt / (performance.now() - begin)) * 1000
}

/** From the first token to the last: `generate` steps. */
async function decode() {
  await sequence.clearHistory()
  let count = 0
  let begin = 0
  for await (const _ of sequence.evaluate([ids[0]], { temperature: 0, yieldEogToken: true })) {
    if (count === 0) begin = performance.now()
    if (count++ === generate) return (generate / (performance.now() - begin)) * 1000
  }
  throw new Error('it stopped early')
}

await prefill()
const prefillRate = await prefill()
await decode()
const decodeRate = await decode()
process.stdout.write(JSON.stringify({ prefill: prefillRate, decode: decodeRate }))
process.exit(0)
