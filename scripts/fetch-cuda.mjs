/**
 * `node scripts/fetch-cuda.mjs [--yes]`: fetches the CUDA toolkit (1.1 GB, from PyPI, into .cache) where the system
 * has none that is new enough; asks before, unless --yes. Only compiling for NVIDIA GPUs needs it.
 */
import './node-version.mjs'
import { askAndFetch, findToolkit } from './setup/cuda.mjs'
import { main, say } from './setup/project.mjs'

await main(async () => {
  await askAndFetch({ yes: process.argv.includes('--yes') })
  const { nvcc, version } = findToolkit()
  say(`CUDA ${version}: ${nvcc}`)
})
