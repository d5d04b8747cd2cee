// node bench/jinja-oracle.mjs PYTHON [COUNT] [SEED]: random templates through main/jinja and through Python's Jinja2.
// PYTHON is an interpreter that has jinja2 3.1.6. Prints every template that the two do not agree on (the text, or
// that it raises), and how many there were.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { build } from 'vite'

const [python, count = '100000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)
if (!python || ![count, seed].every((text) => /^\d+$/.test(text))) {
  console.error('Usage: node bench/jinja-oracle.mjs PYTHON [COUNT] [SEED]')
  process.exit(2)
}
const NOW = new Date('2026-01-02T03:04:05')
const MOST_SHOWN = 40

const folder = mkdtempSync(path.join(tmpdir(), 'kigo-jinja-'))
await build({
  configFile: false,
  logLevel: 'error',
  build: {
    outDir: folder,
    minify: false,
    ssr: true,
    rolldownOptions: {
      input: path.join(import.meta.dirname, '../main/jinja/index.ts'),
      output: { entryFileNames: 'jinja.mjs' },
    },
  },
})
const { compileTemplate, TemplateError, TemplateRaised } = await import(
  pathToFileURL(path.join(folder, 'jinja.mjs')).href
)
rmSync(folder, { recursive: true, force: true })

function render(template, context) {
  try {
    return { text: compileTemplate(template).render(context, NOW) }
  } catch (error) {
    if (error instanceof TemplateError || error instanceof TemplateRaised)
      return { raises: error.name, message: error.message }
    return { fault: error.stack }
  }
}

console.log(`${count} templates, seed ${seed}`)
const oracle = spawn(python, [path.join(import.meta.dirname, 'jinja-oracle.py'), seed, count], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let contexts
let rows = 0
let texts = 0
let differences = 0
for await (const line of createInterface({ input: oracle.stdout })) {
  const row = JSON.parse(line)
  if (!contexts) {
    contexts = row.contexts
    continue
  }
  rows++
  if ('text' in row) texts++
  const own = render(row.template, contexts[row.context])
  if ('text' in row ? own.text === row.text : own.raises !== undefined) continue
  differences++
  if (differences <= MOST_SHOWN) console.log(JSON.stringify({ ...row, own }))
}
console.log(`${rows} compared, ${texts} of them with a text: ${differences} differ`)
process.exit(differences > 0 || rows === 0 ? 1 : 0)
