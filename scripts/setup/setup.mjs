/** Set-up from a bare clone to something that runs: each part is skipped where it is done already. */
import { buildMain, buildNative, buildRenderer } from './build.mjs'
import { offerToolkit } from './cuda.mjs'
import { fetchElectron } from './electron.mjs'
import { fetchModel, needPip } from './models.mjs'
import { npmPackages } from './npm-packages.mjs'
import { systemPackages } from './system-packages.mjs'

/**
 * @param {{window?: boolean, tests?: boolean, models?: ('smollm2' | 'gemma3')[], cuda?: boolean}} what
 *   window: Electron and its page too; tests: what only tests need; models: which to fetch; cuda: offer the toolkit
 *   where a GPU waits for one
 */
export async function setUp({ window = true, tests = false, models = [], cuda = false }) {
  const groups = ['build', window && 'electron', tests && 'tests', (await needPip(models)) && 'pip']
  await systemPackages(groups.filter(Boolean))
  await npmPackages()
  if (window) await fetchElectron()
  if (cuda) await offerToolkit()
  await buildNative()
  await buildMain()
  if (window) await buildRenderer()
  for (const model of models) await fetchModel(model)
}
