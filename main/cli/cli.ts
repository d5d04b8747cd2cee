/** Entry of dist/main/cli.js. */
import { runCliProcess } from './process.ts'

process.exitCode = await runCliProcess(process.argv.slice(2))
