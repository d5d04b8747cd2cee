import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { kigo, MODELS, root } from './processes.mjs'
import { median, table } from './statistics.mjs'

const RUNS = 7

/** Header with tokenizer, and the whole load as `kigo run` has it; the file is in the page cache. */
export async function load() {
  const results = []
  for (const [model, path] of Object.entries(MODELS)) {
    const headerAndTokenizer = []
    const whole = []
    for (let run = 0; run <= RUNS; run++) {
      const header = await headerTime(path)
      const { loadMs } = await kigo('run', '--model', path, '--ids', '1', '--max-tokens', '1')
      if (run === 0) continue // fills the page cache
      headerAndTokenizer.push(header)
      whole.push(loadMs)
    }
    results.push({ model, headerAndTokenizer, load: whole })
  }
  const ms = (values) => `${median(values).toFixed(0)} ms`
  const rows = results.map((row) => [row.model, ms(row.headerAndTokenizer), ms(row.load)])
  console.log(table([[`medians of ${RUNS}`, 'header + tokenizer', 'whole load'], ...rows]))
  return results
}

/** The worker that the app opens models with, from its start until it has answered. */
async function headerTime(path) {
  const begin = performance.now()
  const worker = new Worker(join(root, 'dist', 'main', 'tokenizer-worker.js'), { workerData: { path } })
  await new Promise((done, failed) => worker.once('message', done).once('error', failed))
  const ms = performance.now() - begin
  await worker.terminate()
  return ms
}
