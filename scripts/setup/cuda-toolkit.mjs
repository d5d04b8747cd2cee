/** The CUDA toolkit in use: the system's where it is new enough, else the one that fetch-cuda put into .cache. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cache, findProgram } from './project.mjs'

/** Where fetch-cuda installs: a virtual environment of Python, whole or not there at all. */
export const FETCHED = join(cache, 'cuda')
const OLDEST = [12, 8]

/** @returns {{nvcc: string, version: string} | null} null: there is none that is new enough */
export function findToolkit() {
  for (const nvcc of candidates()) {
    const version = existsSync(nvcc) ? versionOf(nvcc) : null
    if (version && isNewEnough(version)) return { nvcc, version }
  }
  return null
}

function candidates() {
  const fetched = ['bin', 'nvcc'].reduce((path, part) => join(path, part), join(FETCHED, 'toolkit'))
  return [process.env.CUDACXX, findProgram('nvcc'), '/usr/local/cuda/bin/nvcc', fetched].filter(Boolean)
}

function versionOf(nvcc) {
  const { stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' })
  return /release (\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? null
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}
