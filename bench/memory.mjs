import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { fail, kigo, kigoCommand, MODELS } from './processes.mjs'
import { table } from './statistics.mjs'

const MIB = 2 ** 20
/** Beside file and KV: Node, the tokenizer, workspace. */
const ALLOWED = 150 * MIB

/** A context that the run fills to its end: of a larger one, the pages that were never written would not count. */
const CONTEXT = 512
const PROMPT = 'The quick brown fox jumps over the lazy dog. '.repeat(36)

/** Peak resident memory of `kigo run`, by the kernel's own count (VmHWM), beside file + KV + 150 MiB. */
export async function memory() {
  if (process.platform !== 'linux')
    fail('The kernel counts peak memory in /proc, which this system does not have.')
  const results = []
  for (const [model, path] of Object.entries(MODELS)) {
    const { memory: plan } = await kigo('inspect', path, '--ctx', String(CONTEXT))
    const peak = await peakOf(
      kigoCommand('run', '--model', path, '--raw', '--prompt', PROMPT, '--ctx', String(CONTEXT)),
    )
    const file = statSync(path).size
    results.push({
      model,
      peak,
      file,
      kv: plan.kv,
      beyond: peak - file - plan.kv,
      allowed: ALLOWED,
      ok: peak <= file + plan.kv + ALLOWED,
    })
  }
  const mib = (bytes) => `${(bytes / MIB).toFixed(0)} MiB`
  const rows = results.map((row) => [
    row.model,
    mib(row.peak),
    mib(row.file),
    mib(row.kv),
    mib(row.beyond),
    row.ok ? 'yes' : 'NO',
  ])
  console.log(
    table([
      [
        `peak resident memory of kigo run, context ${CONTEXT}`,
        'peak',
        'file',
        'KV',
        'beyond both',
        `within ${mib(ALLOWED)}`,
      ],
      ...rows,
    ]),
  )
  if (results.some(({ ok }) => !ok)) process.exitCode = 1
  return results
}

/** Reads the high-water mark until the process is gone; it only grows, so the last reading is the peak or near it. */
function peakOf(args) {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'ignore'] })
    let peak = 0
    const timer = setInterval(() => {
      try {
        const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
        if (kib) peak = Math.max(peak, Number(kib) * 1024)
      } catch {
        // It has just ended.
      }
    }, 5)
    child.on('exit', (code) => {
      clearInterval(timer)
      if (code !== 0) fail(`kigo run ended with ${code}`)
      done(peak)
    })
  })
}
