/** `npm run -s electron-path`: prints the Electron executable in use, after fetching one if there is none. */
import './node-version.mjs'
import { fetchElectron, findElectron } from './setup/electron.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main } from './setup/project.mjs'

await main(async () => {
  if (!findElectron()) {
    await npmPackages()
    await fetchElectron()
  }
  process.stdout.write(`${findElectron().path}\n`)
})
