/**
 * The first thing that runs: sees to it that whatever fails, here or while the rest is loaded, is said and ends the
 * program; then hands over to the command or to the app.
 */
import { app, dialog, utilityProcess } from 'electron'
import { commandArguments } from './arguments.ts'
import { KigoError } from '../contract/errors.ts'
import { hasDisplay } from './display.ts'
import { electronLauncher } from './isolated/electron-launcher.ts'
import { unmarked } from './marked.ts'
import { refuseDebuggers } from './test-hooks.ts'
import { workingFolder } from './working-folder.ts'

refuseDebuggers(app.commandLine)
const folder = workingFolder()
const command = commandArguments(process.argv)

let onFailure = (error: unknown): void => void end(error)
process.on('uncaughtException', (error) => onFailure(error))
process.on('unhandledRejection', (error) => onFailure(error))

try {
  if (command) {
    void runCommand(command).catch(end)
  } else {
    // Before the app is ready: until this module has run, Electron waits.
    const { startApp } = await import('./main.ts')
    startApp(folder, (handler) => (onFailure = handler)).catch(end)
  }
} catch (error) {
  void end(error)
}

/** The installed `kigo`: this same program without a window. */
async function runCommand(marked: string[]): Promise<void> {
  const args = unmarked(marked)
  if (!args) {
    process.stderr.write('error: the command is started as bin/kigo, without --cli\n')
    return app.exit(2)
  }
  await app.whenReady()
  const { runCliProcess } = await import('./cli/process.ts')
  app.exit(await runCliProcess(args, electronLauncher(utilityProcess)))
}

async function end(error: unknown): Promise<void> {
  onFailure = () => {} // one is enough
  const words =
    error instanceof KigoError
      ? `${error.message} ${error.hint}`
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error)
  try {
    process.stderr.write(`Kigo could not start: ${words}\n`)
    if (!command && hasDisplay(process)) {
      await app.whenReady() // a dialog before is none
      dialog.showErrorBox('Kigo could not start', words)
    }
  } finally {
    app.exit(1)
  }
}
