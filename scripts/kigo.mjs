/** `npm run -s kigo -- …`: the command, after building what is missing (said on stderr alone). */
import './node-version.mjs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MODELS } from './setup/models.mjs'
import { dist, main } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'

const args = process.argv.slice(2)

await main(async () => {
  await setUp({ window: false, models: namedModels() })
  // npm runs scripts in the project's folder; paths are meant from where the person is.
  if (process.env.npm_lifecycle_event === 'kigo' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD)
  const cli = join(dist, 'main', 'cli.js')
  process.argv = [process.execPath, cli, ...args]
  await import(pathToFileURL(cli).href)
})

/** Known models that the arguments ask for by name, and the default one of `kigo haiku`. */
function namedModels() {
  const names = Object.keys(MODELS).filter((name) =>
    args.some((arg) => arg === name || arg === `--model=${name}`),
  )
  const usesDefault = args[0] === 'haiku' && !args.some((arg) => arg.startsWith('--model'))
  return usesDefault ? ['smollm2'] : names
}
