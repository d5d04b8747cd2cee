/** Entry of dist/main/cli.js. */
import { workingFolder } from '../working-folder.ts'
import { runCliProcess } from './process.ts'

workingFolder()

process.exitCode = await runCliProcess(process.argv.slice(2))
