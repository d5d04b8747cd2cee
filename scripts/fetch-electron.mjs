/** Fetches Electron by itself; `--retry` asks for the official download again though the fallback is there. */
import './node-version.mjs'
import { fetchElectron, findElectron } from './setup/electron.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main, say } from './setup/project.mjs'

await main(async () => {
  await npmPackages()
  await fetchElectron({ retry: process.argv.includes('--retry') })
  const { version, kind, path } = findElectron()
  say(`Electron ${version} (${kind}): ${path}`)
})
