/** Runs each side in a process of its own, so that neither inherits the other's heap, threads or warm caches. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')
const cli = join(root, 'dist', 'main', 'cli.js')

export const MODELS = {
  'SmolLM2-135M Q4_1': join(root, '.cache', 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf'),
  'Gemma-3-270M Q4_K_M': join(root, '.cache', 'models', 'gemma-3-270m-q4_k_m.gguf'),
}
for (const path of Object.values(MODELS))
  if (!existsSync(path)) fail(`${path} is missing: \`npm run bench\` fetches it.`)

/** stdout of a Node program; its stderr is shown only where it fails. */
export function runNode(args, { cwd = root } = {}) {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => (stdout += chunk))
    child.stderr.on('data', (chunk) => (stderr += chunk))
    child.on('close', (code) =>
      code === 0 ? done(stdout) : fail(`node ${args.join(' ')} ended with ${code}:\n${stderr}`),
    )
  })
}

/** What `kigo ARGS --json` prints. */
export async function kigo(...args) {
  return JSON.parse(await runNode([cli, ...args, '--json']))
}

export const kigoCommand = (...args) => [cli, ...args]

export function fail(message) {
  console.error(message)
  process.exit(1)
}
