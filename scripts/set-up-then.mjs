/** `node scripts/set-up-then.mjs SCRIPT ARGS…`: sets up what is missing, with both test models, and runs SCRIPT. */
import './node-version.mjs'
import { main, node } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'

await main(async () => {
  await setUp({ window: false, models: ['smollm2', 'gemma3'] })
  return node(process.argv.slice(2), { stdio: 'inherit' })
})
