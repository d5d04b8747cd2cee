/** `npm run format`: writes the format that `npm test` checks. */
import './node-version.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main } from './setup/project.mjs'
import { writeFormat, writeNativeFormat } from './testing/checks.mjs'

await main(async () => {
  await npmPackages()
  return (await writeFormat()) || (await writeNativeFormat())
})
