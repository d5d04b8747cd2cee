/**
 * `npm start [-- FILE.gguf]`: sets up what is missing and opens Kigo with the default model, or with FILE.
 * Without a display it talks in the terminal; without a terminal it runs the haiku test.
 */
import './node-version.mjs'
import { join, resolve } from 'node:path'
import { isSetuidRoot, noDisplay, sandboxIsDenied } from './setup/display.mjs'
import { electronCommand, findElectron } from './setup/electron.mjs'
import { modelFile } from './setup/models.mjs'
import { dist, main, node, run, say, SetupError } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'

await main(async () => {
  const given = process.argv[2]
  const model = given ? resolve(process.env.INIT_CWD ?? '.', given) : modelFile('smollm2')
  await setUp({ models: given ? [] : ['smollm2'], cuda: true })

  const reason = await noDisplay()
  if (reason === null) return openWindow(model)
  const cli = join(dist, 'main', 'cli.js')
  if (process.stdin.isTTY && process.stdout.isTTY) {
    say(`${reason}, so Kigo talks in the terminal.`)
    return node([cli, 'chat', '--model', model], { stdio: 'inherit' })
  }
  say(`${reason} and no terminal either, so Kigo runs the haiku test.`)
  return node([cli, 'haiku', '--model', model], { stdio: 'inherit' })
})

function openWindow(model) {
  const electron = findElectron()
  const helper = join(electron.folder, 'chrome-sandbox')
  if (sandboxIsDenied() && !isSetuidRoot(helper)) {
    throw new SetupError(
      'This system does not let ordinary users make the namespaces that the sandbox of the window needs. Run this line once, then the command again:',
      `sudo chown root:root '${helper}' && sudo chmod 4755 '${helper}'`,
    )
  }
  const { command, args } = electronCommand(electron)
  return run(command, [...args, model], { stdio: 'inherit' })
}
