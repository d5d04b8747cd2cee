/**
 * `npm run bench [-- NAME]`: speed (Kigo beside node-llama-cpp, the default), haiku, memory, load, renderer.
 * Each prints a table on stdout and writes the same as JSON to .cache/bench/NAME.json. README.md says how to
 * read them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { haiku } from './haiku.mjs'
import { load } from './load.mjs'
import { machine } from './machine.mjs'
import { memory } from './memory.mjs'
import { root } from './processes.mjs'
import { renderer } from './renderer.mjs'
import { speed } from './speed.mjs'

const BENCHES = { speed, haiku, memory, load, renderer }

const [name = 'speed', ...args] = process.argv.slice(2)
const bench = BENCHES[name]
if (!bench) {
  console.error(`There is no benchmark '${name}'; there are ${Object.keys(BENCHES).join(', ')}.`)
  process.exit(2)
}
const about = machine()
console.log(`${about.cpu}, ${about.cores} cores, ${about.memoryGiB} GiB, Node ${about.node}, ${about.os}\n`)
const results = await bench(args)
const folder = join(root, '.cache', 'bench')
mkdirSync(folder, { recursive: true })
const file = join(folder, `${name}.json`)
writeFileSync(
  file,
  `${JSON.stringify({ date: new Date().toISOString(), machine: about, results }, null, 2)}\n`,
)
console.log(`\nAs JSON: ${file}`)
