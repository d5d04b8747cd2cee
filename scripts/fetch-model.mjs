/** `node scripts/fetch-model.mjs [smollm2] [gemma3]`: fetches and checks models by name; without one, the default. */
import './node-version.mjs'
import { fetchModel, MODELS } from './setup/models.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main, say, SetupError } from './setup/project.mjs'

await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !Object.hasOwn(MODELS, name))
  if (unknown)
    throw new SetupError(
      `There is no model named ${unknown} here.`,
      `The names are ${Object.keys(MODELS).join(' and ')}.`,
    )
  await npmPackages()
  for (const name of names.length > 0 ? names : ['smollm2']) {
    const { label, path } = await fetchModel(name)
    say(`${label}: ${path}`)
  }
})
