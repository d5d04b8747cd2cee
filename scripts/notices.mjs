/**
 * `node scripts/notices.mjs [--check]`: writes THIRD_PARTY_NOTICES from the licences of what a package carries:
 * every dependency of package-lock.json that is not for development, and what is compiled or fetched in besides.
 */
import './node-version.mjs'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, SetupError } from './setup/project.mjs'

const FILE = join(root, 'THIRD_PARTY_NOTICES')
// Development packages whose code still ends up in what is shipped: the reset style sheet, the addon's headers and (on
// Windows) the hook that finds Node in a program of another name.
const SHIPPED_TOO = ['tailwindcss', 'node-addon-api', 'node-api-headers', 'cmake-js']
const RULE = '='.repeat(80)

await main(() => {
  const text = notices()
  if (!process.argv.includes('--check')) return writeFileSync(FILE, text)
  if (readFileSync(FILE, 'utf8') === text) return 0
  throw new SetupError(
    'THIRD_PARTY_NOTICES is not what the installed packages say.',
    'Run `node scripts/notices.mjs`.',
  )
})

function notices() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const shipped = Object.entries(packages)
    .filter(
      ([path, { dev }]) =>
        path !== '' && (!dev || SHIPPED_TOO.some((name) => path === `node_modules/${name}`)),
    )
    .map(([path, { version, license, os }]) => ({
      name: path.replace(/^.*node_modules\//, ''),
      version,
      license,
      // Only that of this computer's system is installed, and the notices are the same everywhere.
      text: os
        ? `For one system (${os}); the licence is that of the package it belongs to.`
        : licenceText(path),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const apache = readFileSync(join(root, 'node_modules', 'typescript', 'LICENSE.txt'), 'utf8').trim()
  return (
    [
      'Kigo is distributed under the MIT licence (see LICENSE). It contains the works below, each under its own.',
      'Electron and Chromium: see LICENSE.electron.txt and LICENSES.chromium.html beside the packaged program.',
      'libkigo_cuda.so, where it is there, contains the CUDA runtime (cudart_static) by NVIDIA Corporation, under the NVIDIA CUDA Toolkit EULA: https://docs.nvidia.com/cuda/eula/',
      ...shipped.map(
        ({ name, version, license, text }) => `${RULE}\n${name} ${version} (${license})\n\n${text}`,
      ),
      `${RULE}\nSmolLM2-135M-Instruct, the default model, by Hugging Face (Apache-2.0); quantised as GGUF by QuantFactory\n\n${apache}`,
    ].join('\n\n') + '\n'
  )
}

function licenceText(path) {
  const folder = join(root, path)
  const name = readdirSync(folder).find((file) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(file))
  if (name) return readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim()
  const { author, homepage } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return `The package carries no licence text. Author: ${author?.name ?? author ?? 'not named'}. ${homepage ?? ''}`.trim()
}
