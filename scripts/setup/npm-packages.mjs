/** `npm ci` without install scripts, skipped while node_modules is what package-lock.json says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root, say, SetupError } from './project.mjs'
import { step } from './step.mjs'

// npm writes this file last, so its presence means that an install ended.
const INSTALLED = join(root, 'node_modules', '.package-lock.json')

export function npmPackages() {
  return step('npm-packages', { inputs: ['package-lock.json'], outputs: [INSTALLED], run: install })
}

async function install() {
  if (matchesLock()) return
  say('Installing npm packages')
  const flags = [
    '--ignore-scripts',
    '--include=dev',
    '--engine-strict=false',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const status = await npm(['ci', ...flags])
  if (status !== 0)
    throw new SetupError(
      `npm ci ended with status ${status}.`,
      'Look at its output above; most often the network is the cause. Then run the command again.',
    )
}

/** Every package of the lock file is installed in its very version; those for other systems may be absent. */
export function matchesLock(lock = join(root, 'package-lock.json'), ofInstalled = INSTALLED) {
  const { packages: wanted } = JSON.parse(readFileSync(lock, 'utf8'))
  const installed = readInstalled(ofInstalled)
  if (!installed) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const there = installed[path]
    return there
      ? there.version === entry.version && there.integrity === entry.integrity
      : entry.optional === true
  })
}

/** null where it is not there, or is cut because npm was killed while it wrote it. */
function readInstalled(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return null
  }
}
