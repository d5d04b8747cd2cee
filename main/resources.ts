/**
 * Where the built things are: everything that is opened by path (native libraries, worker and child scripts,
 * the page) lies below one `dist/` folder. In a checkout that is `dist/` in the project; in a package it is
 * `app.asar/dist`, and what the system itself must open was unpacked beside it to `app.asar.unpacked`. Scripts stay
 * in the archive, workers' and children's too: Electron runs them from there, and checks its integrity.
 */
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The `dist` folder that belongs to the module at `moduleUrl`: of the built main process or of these sources. */
export function distFolder(moduleUrl: string): string {
  const folder = path.dirname(fileURLToPath(moduleUrl))
  // Built, every module of main is bundled into dist/main; this source lies in main/.
  const built = path.basename(path.dirname(folder)) === 'dist'
  return built ? path.dirname(folder) : path.join(path.dirname(folder), 'dist')
}

/** `file` below `dist`: of native libraries the copy outside of the archive, for dlopen. */
export function pathInDist(dist: string, file: string): string {
  const unpacked = /^native(\/|$)/.test(file)
  const archive = `${path.sep}app.asar${path.sep}`
  const folder = unpacked ? dist.replace(archive, `${path.sep}app.asar.unpacked${path.sep}`) : dist
  return path.join(folder, ...file.split('/'))
}

/** Absolute path of a built file, for example `native/kigo.node` or `main/tokenizer-worker.js`. */
export function resourcePath(file: string): string {
  return pathInDist(distFolder(import.meta.url), file)
}
