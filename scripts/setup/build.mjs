/** Builds what runs: the native addon by cmake-js, the app's three bundles by vite. */
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { architecturesToRun, findToolkit, RELEASE } from './cuda.mjs'
import { dist, node, root, say, SetupError } from './project.mjs'
import { step } from './step.mjs'

/**
 * The addon, and the CUDA backend where there is a GPU and a toolkit. `preset` dist: for a release, with the CUDA
 * backend for all GPUs where there is a toolkit.
 */
export async function buildNative(preset = 'release') {
  const toolkit = findToolkit()
  const cuda = preset === 'dist' ? toolkit && RELEASE : architecturesToRun()
  await step('native', {
    inputs: ['native', 'scripts/build-native.mjs', 'scripts/setup/cuda.mjs', 'package-lock.json'],
    values: [
      ...[process.platform, process.arch, process.env.CXX, process.env.CXXFLAGS, process.env.LDFLAGS],
      ...[preset, cuda, cuda && toolkit],
    ],
    outputs: ['kigo.node', ...(cuda ? ['libkigo_cuda.so'] : [])].map((name) => join(dist, 'native', name)),
    run: () =>
      build(cuda ? `the native addon and the CUDA backend (for ${cuda})` : 'the native addon', [
        'scripts/build-native.mjs',
        ...['--preset', preset],
        ...(cuda ? ['--cuda', cuda] : []),
      ]),
  })
}

export async function buildMain() {
  await step('app-main', {
    inputs: ['contract', 'main', 'package-lock.json', 'package.json', 'tsconfig.json'],
    outputs: ['main.js', 'preload.cjs', 'cli.js'].map((name) => join(dist, 'main', name)),
    run: () =>
      build('the main process and the command', [
        VITE,
        'build',
        '--app',
        '--config',
        'main/vite.config.ts',
        '--logLevel',
        'warn',
      ]),
  })
}

export async function buildRenderer() {
  await step('app-renderer', {
    inputs: ['contract', 'renderer', 'assets', 'package-lock.json', 'package.json'],
    outputs: [join(dist, 'renderer', 'index.html')],
    run: () =>
      build('the window', [VITE, 'build', '--config', 'renderer/vite.config.ts', '--logLevel', 'warn']),
  })
}
/** What a package carries of it: without `hooks`, what only tests may set does nothing. Leaves build/package/main. */
export async function buildPackagedMain({ hooks }) {
  const folder = join(root, 'build', 'package', 'main')
  rmSync(folder, { recursive: true, force: true })
  if (hooks) return cpSync(join(dist, 'main'), folder, { recursive: true })
  const flags = ['--app', '--config', 'main/vite.config.ts', '--mode', 'release', '--logLevel', 'warn']
  await build('the main process of a release', [VITE, 'build', ...flags])
}

const VITE = join('node_modules', 'vite', 'bin', 'vite.js')

async function build(what, args) {
  if (!existsSync(join(root, args[0])))
    throw new SetupError(`${args[0]} is missing.`, 'This checkout is not whole: clone it again.')
  say(`Building ${what}`)
  const status = await node(args)
  if (status !== 0)
    throw new SetupError(`Building ${what} failed with status ${status}.`, 'Its output above says why.')
}
