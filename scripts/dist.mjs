/**
 * `npm run dist [-- --allow-fallback] [--no-cuda] [--test-hooks]`: an unpacked app in release/, with the default model
 * and the command, and with the CUDA backend for all GPUs where there is a toolkit (--no-cuda: as `npm start` left it).
 * It is made with the official Electron; the fallback, which is older, only where one asks for it. --test-hooks makes
 * one that is no release but differs from it by main/test-hooks.ts alone, in build/package/with-test-hooks.
 */
import './node-version.mjs'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findElectron } from './setup/electron.mjs'
import { buildNative, buildPackagedMain } from './setup/build.mjs'
import { cache, dist, main, node, root, say, SetupError } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'

await main(async () => {
  await setUp({ models: ['smollm2'] })
  if (!process.argv.includes('--no-cuda')) await buildNative('dist')
  say(
    existsSync(join(dist, 'native', 'libkigo_cuda.so'))
      ? 'With the CUDA backend'
      : 'Without the CUDA backend: that takes a CUDA toolkit, which `node scripts/fetch-cuda.mjs` gets',
  )
  const electron = findElectron()
  if (electron.kind === 'fallback' && !process.argv.includes('--allow-fallback')) {
    throw new SetupError(
      `Only the fallback Electron ${electron.version} is here, and it is too old for a release.`,
      'Where the official download works, `node scripts/fetch-electron.mjs --retry` gets it; to try the packaging itself: npm run dist -- --allow-fallback',
    )
  }
  const hooks = process.argv.includes('--test-hooks')
  const output = join(root, hooks ? 'build/package/with-test-hooks' : 'release')
  await buildPackagedMain({ hooks })
  const staged = stage(electron)
  const builder = join(root, 'node_modules', 'electron-builder', 'cli.js')
  const config = [
    `-c.electronDist=${staged}`,
    `-c.electronVersion=${electron.version}`,
    `-c.directories.output=${output}`,
  ]
  const status = await node([builder, '--dir', '--publish', 'never', ...config])
  rmSync(staged, { recursive: true, force: true })
  if (status !== 0)
    throw new SetupError(`electron-builder ended with status ${status}.`, 'Its output above says why.')
  say(`Made with Electron ${electron.version} (${electron.kind}): ${output}`)
})

/** A copy without resources/app (the fallback's link to this checkout), which would go before the package's app. */
function stage(electron) {
  const staged = join(cache, 'electron', 'staged')
  rmSync(staged, { recursive: true, force: true })
  const link = join(electron.folder, 'resources', 'app')
  cpSync(electron.folder, staged, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => path !== link,
  })
  return staged
}
