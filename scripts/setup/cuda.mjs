/**
 * The CUDA toolkit: the system's where it is new enough, else NVIDIA's packages from PyPI in .cache. And which GPUs
 * to compile for.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { putFolder } from './durable.mjs'
import { findPip } from './models.mjs'
import { cache, findProgram, root, run, say, SetupError } from './project.mjs'
import { proxyEnvironment } from './proxy.mjs'
import { withLock } from './step.mjs'

const OLDEST = [12, 8]
const FETCHED = join(cache, 'cuda', '13.0')
const FETCHED_TOOLKIT = join(FETCHED, 'nvidia', 'cu13')
/** Their versions and hashes: what else the index has is not taken. */
const PACKAGES = join(root, 'scripts', 'setup', 'cuda-toolkit.txt')
const DECLINED = join(cache, 'cuda', 'declined')
const SIZE = '1.1 GB'

/** What a release is compiled for: machine code for each, and PTX of the newest for those to come. */
export const RELEASE = '75,80,86,89,90,100,120+ptx'
/** What is compiled where it only has to compile. */
const ANY = '90'

/**
 * @returns {{nvcc: string, version: string, include: string, libraries: string | null} | null} null: there is none that
 *   is new enough; include: the folder of its headers; libraries: that of its cuBLAS, which need be no system's path;
 *   null: it has none
 */
export function findToolkit() {
  const fetched = join(FETCHED_TOOLKIT, 'bin', 'nvcc')
  for (const nvcc of [process.env.CUDACXX, findProgram('nvcc'), '/usr/local/cuda/bin/nvcc', fetched]) {
    const version = nvcc && existsSync(nvcc) ? versionOf(nvcc) : null
    if (version && isNewEnough(version)) return { nvcc, version, ...foldersOf(nvcc) }
  }
  return null
}

function foldersOf(nvcc) {
  const home = dirname(dirname(realpathSync(nvcc)))
  const folders = ['lib64', 'lib'].map((name) => join(home, name))
  const hasCublas = (folder) => [13, 12].some((major) => existsSync(join(folder, `libcublas.so.${major}`)))
  return { include: join(home, 'include'), libraries: folders.find(hasCublas) ?? null }
}

function versionOf(nvcc) {
  const { stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' })
  return /release (\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? null
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

/** The GPUs of this machine in RELEASE's words, '90' for example; null: it has no NVIDIA GPU that Kigo can use. */
export function presentGpus() {
  const smi = findProgram('nvidia-smi')
  if (!smi) return existsSync('/proc/driver/nvidia') || existsSync('/dev/nvidia0') ? RELEASE : null
  const { stdout } = spawnSync(smi, ['--query-gpu=compute_cap', '--format=csv,noheader'], {
    encoding: 'utf8',
  })
  return architecturesFor((stdout ?? '').split('\n'))
}

/** ['8.9', '9.0'] -> '89,90'. A member of a known generation runs that one's code, a newer GPU what PTX becomes. */
export function architecturesFor(capabilities) {
  const known = RELEASE.split(',').map((name) => Number.parseInt(name, 10))
  const wanted = new Set()
  for (const capability of capabilities) {
    const [, major, minor] = /^\s*(\d+)\.(\d)\s*$/.exec(capability) ?? []
    if (!major || Number(major + minor) < known[0]) continue
    const own = known.filter((k) => Math.floor(k / 10) === Number(major) && k <= Number(major + minor))
    const older = known.filter((k) => k < Number(major + minor))
    wanted.add(own.length > 0 ? String(own.at(-1)) : `${older.at(-1)}+ptx`)
  }
  return wanted.size === 0
    ? null
    : [...wanted].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).join(',')
}

/** What `npm start` and the command compile for: the GPU that is there, where a toolkit is; else null. */
export function architecturesToRun() {
  const present = presentGpus()
  return present && findToolkit() ? present : null
}

/** What the tests compile for. In CI it must compile, so there the toolkit is fetched. */
export async function architecturesToTest() {
  if (!findToolkit() && process.env.CI === 'true') await fetchToolkit()
  return findToolkit() ? (presentGpus() ?? ANY) : null
}

/** Where a GPU waits for a toolkit, asks once whether to fetch it. */
export async function offerToolkit() {
  if (findToolkit() || !presentGpus() || existsSync(DECLINED)) return
  const what = `This computer has an NVIDIA GPU, but no CUDA toolkit ${OLDEST.join('.')} or newer to compile for it`
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    say(`${what}, so Kigo runs on the processor. \`node scripts/fetch-cuda.mjs\` gets one (${SIZE}).`)
    return
  }
  if (await ask(`${what}. Fetch it (${SIZE}, from PyPI, into .cache)?`)) return fetchToolkit()
  mkdirSync(join(cache, 'cuda'), { recursive: true })
  writeFileSync(DECLINED, '')
  say('Kigo runs on the processor, then. `node scripts/fetch-cuda.mjs` gets the toolkit at any time.')
}

/** Fetches the toolkit where there is none, having asked; `yes`: without asking. */
export async function askAndFetch({ yes }) {
  if (findToolkit()) return
  if (!yes) {
    const what = `The CUDA toolkit 13.0 is ${SIZE}: NVIDIA's packages from PyPI, into .cache/cuda.`
    if (!process.stdin.isTTY || !process.stderr.isTTY)
      throw new SetupError(what, 'There is no terminal to ask in: run the command again with --yes.')
    if (!(await ask(`${what} Fetch it?`))) throw new SetupError('Nothing was fetched.')
  }
  await fetchToolkit()
}

async function ask(question) {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question(`${question} [y/N] `)
  lines.close()
  return /^\s*y(es)?\s*$/i.test(answer)
}

/** Whole at its place or not there at all. */
async function fetchToolkit() {
  if (process.platform !== 'linux')
    throw new SetupError(
      'For this system there is no such package.',
      `Install NVIDIA's CUDA toolkit ${OLDEST.join('.')} or newer.`,
    )
  await withLock(async () => {
    if (findToolkit()) return
    const work = `${FETCHED}.unpacking`
    rmSync(work, { recursive: true, force: true })
    mkdirSync(work, { recursive: true })
    say(`Fetching the CUDA toolkit (${SIZE})`)
    const [program, ...args] = await findPip()
    const pinned = ['--requirement', PACKAGES, '--require-hashes', '--no-deps', '--only-binary', ':all:']
    const flags = ['--quiet', '--disable-pip-version-check', '--no-compile', '--target', work]
    const status = await run(program, [...args, 'install', ...flags, ...pinned], { env: proxyEnvironment() })
    if (status !== 0) {
      rmSync(work, { recursive: true, force: true })
      throw new SetupError(
        `The CUDA toolkit could not be fetched: pip ended with status ${status}.`,
        `Check the network and the space on the disk, or install NVIDIA's CUDA toolkit ${OLDEST.join('.')} or newer.`,
      )
    }
    putFolder(work, FETCHED)
    rmSync(DECLINED, { force: true })
  })
  if (!findToolkit())
    throw new SetupError(
      'The CUDA toolkit that was fetched does not run here.',
      `Its nvcc is in ${FETCHED_TOOLKIT}.`,
    )
}
