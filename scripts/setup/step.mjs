/**
 * A step of set-up is skipped while the hash of its inputs is the one it last ended with and its outputs are
 * the files it left. The stamp is written last, so a step that was cut off runs again.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeWhole } from './durable.mjs'
import { takeLock } from './lock.mjs'
import { cache, root, say } from './project.mjs'

/**
 * @param {string} name names the stamp
 * @param {{inputs: string[], values?: unknown[], outputs: string[], run: () => Promise<void>}} options
 *   inputs: files and folders whose contents count; values: what else counts; outputs: files that `run` leaves
 * @returns {Promise<boolean>} true: it ran
 */
export async function step(name, { inputs, values = [], outputs, run }) {
  const key = hash(inputs, values)
  if (isDone(name, key, outputs)) return false
  return withLock(async () => {
    if (isDone(name, key, outputs)) return false
    rmSync(stampPath(name), { force: true })
    await run()
    writeStamp(name, { key, outputs: describe(outputs) })
    return true
  })
}

const stampPath = (name) => join(cache, 'stamps', `${name}.json`)

function isDone(name, key, outputs) {
  try {
    const stamp = JSON.parse(readFileSync(stampPath(name), 'utf8'))
    return stamp.key === key && JSON.stringify(stamp.outputs) === JSON.stringify(describe(outputs))
  } catch {
    return false
  }
}

function describe(outputs) {
  return outputs.map((path) => {
    const { size, mtimeMs } = statSync(path)
    return [relative(root, path), size, mtimeMs]
  })
}

function writeStamp(name, stamp) {
  mkdirSync(join(cache, 'stamps'), { recursive: true })
  writeWhole(stampPath(name), JSON.stringify(stamp))
}

/** Contents, not times: a checkout of the same commit is up to date. About 10 ms for this tree. */
function hash(inputs, values) {
  const sum = createHash('sha256').update(JSON.stringify(values))
  for (const input of inputs) addToHash(sum, join(root, input))
  return sum.digest('hex')
}

function addToHash(sum, path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) {
    for (const name of readdirSync(path).sort()) if (isSource(name)) addToHash(sum, join(path, name))
  } else {
    sum.update(`${relative(root, path)}\0${stat?.size ?? 'absent'}\0`)
    if (stat) sum.update(readFileSync(path))
  }
}
const isSource = (name) => name !== 'node_modules' && !name.startsWith('.') && !/\.test\.|\.md$/.test(name)

/** One set-up at a time in a checkout; a lock whose owner is gone is taken over. */
export async function withLock(work) {
  const path = join(cache, 'setup.lock')
  mkdirSync(cache, { recursive: true })
  for (let waited = false; !takeLock(path); waited = true) {
    if (!waited) say('Another set-up of this checkout is running; waiting for it')
    await sleep(200)
  }
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}
