/** `npm run build`: everything that runs, without Electron and models. */
import './node-version.mjs'
import { buildMain, buildNative, buildRenderer } from './setup/build.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main } from './setup/project.mjs'
import { systemPackages } from './setup/system-packages.mjs'

await main(async () => {
  await systemPackages(['build'])
  await npmPackages()
  await buildNative()
  await buildMain()
  await buildRenderer()
})
