/** node-llama-cpp, fetched on demand into an ignored folder of its own: Kigo itself does not depend on it. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root, runNode } from './processes.mjs'

export const RIVAL = { name: 'node-llama-cpp', version: '3.22.1' }
const folder = join(root, '.cache', 'rival')

export function installRival() {
  const installed = join(folder, 'node_modules', RIVAL.name, 'package.json')
  if (!existsSync(installed) || JSON.parse(readFileSync(installed, 'utf8')).version !== RIVAL.version) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    console.error(`Installing ${RIVAL.name} ${RIVAL.version} for comparison`)
    // Without its optional packages for GPUs and other systems; the one for this machine is named.
    const binary = `@node-llama-cpp/${process.platform === 'win32' ? 'win' : process.platform === 'darwin' ? 'mac' : 'linux'}-${process.arch}`
    const packages = [`${RIVAL.name}@${RIVAL.version}`, `${binary}@${RIVAL.version}`]
    const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
    const args = [
      ...npm.slice(1),
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--omit=optional',
      ...packages,
    ]
    const { status } = spawnSync(npm[0], args, { cwd: folder, stdio: ['ignore', 2, 2] })
    if (status !== 0) fail(`${RIVAL.name} could not be installed.`)
  }
  // It must lie beside the package to find it.
  copyFileSync(join(import.meta.dirname, 'rival-side.mjs'), join(folder, 'rival-side.mjs'))
}

/** One process, one measurement: {prefill, decode} in tokens per second. */
export async function measureRival(model, { threads, prompt, generate }) {
  return JSON.parse(
    await runNode(['rival-side.mjs', model, threads, prompt, generate].map(String), { cwd: folder }),
  )
}
