import { parseArgs } from 'node:util'
import { kigo, MODELS } from './processes.mjs'
import { installRival, measureRival, RIVAL } from './rival.mjs'
import { median, ratio, table } from './statistics.mjs'

const PROMPT = 512
const GENERATE = 128

/** Kigo and the rival in turn, A B A B, each time in a fresh process with the same file and thread count. */
export async function speed(args) {
  const { values } = parseArgs({
    args,
    options: { pairs: { type: 'string', default: '7' }, threads: { type: 'string', default: '2' } },
  })
  const pairs = Number(values.pairs)
  const threads = Number(values.threads)
  installRival()
  const results = []
  for (const [model, path] of Object.entries(MODELS)) {
    const ours = { prefill: [], decode: [] }
    const theirs = { prefill: [], decode: [] }
    for (let pair = 1; pair <= pairs; pair++) {
      const a = await measureKigo(path, threads)
      const b = await measureRival(path, { threads, prompt: PROMPT, generate: GENERATE })
      for (const test of ['prefill', 'decode']) {
        ours[test].push(a[test])
        theirs[test].push(b[test])
      }
      const pairText = (test) => `${test} ${a[test].toFixed(1)} / ${b[test].toFixed(1)}`
      console.error(`${model}, pair ${pair} of ${pairs}: ${pairText('decode')}, ${pairText('prefill')} tok/s`)
    }
    for (const [test, tokens] of [
      ['decode', GENERATE],
      ['prefill', PROMPT],
    ]) {
      results.push({
        model,
        test: `${test} ${tokens}`,
        threads,
        kigo: ours[test],
        rival: theirs[test],
        ratio: ratio(ours[test], theirs[test]),
      })
    }
  }
  const rows = results.map((row) => [
    `${row.model}, ${row.test}`,
    median(row.kigo).toFixed(1),
    median(row.rival).toFixed(1),
    `${row.ratio.median.toFixed(2)}x`,
    `${row.ratio.low.toFixed(2)} to ${row.ratio.high.toFixed(2)}`,
  ])
  console.log(
    table([
      [
        `tokens/s, medians of ${pairs}, ${threads} threads`,
        'Kigo',
        `${RIVAL.name} ${RIVAL.version}`,
        'ratio',
        'interval',
      ],
      ...rows,
    ]),
  )
  return results
}

async function measureKigo(path, threads) {
  const rows = await kigo(
    'bench',
    '--model',
    path,
    '-p',
    String(PROMPT),
    '-n',
    String(GENERATE),
    '-r',
    '1',
    '--threads',
    String(threads),
  )
  const rate = (test) => rows.find((row) => row.test === test).mean
  return { prefill: rate(`pp${PROMPT}`), decode: rate(`tg${GENERATE}`) }
}
