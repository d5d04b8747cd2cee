/** The command `kigo`: picks the subcommand, and says what went wrong the same way for all of them. */
import { ERRORS, KigoError, type ErrorCode } from '../../contract/errors.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { UsageError } from './args.ts'
import { CANCELLED, type Command } from './command.ts'
import { bench } from './commands/bench.ts'
import { chat } from './commands/chat.ts'
import { detokenize } from './commands/detokenize.ts'
import { devices } from './commands/devices.ts'
import { haiku } from './commands/haiku.ts'
import { inspect } from './commands/inspect.ts'
import { logits } from './commands/logits.ts'
import { perplexity } from './commands/perplexity.ts'
import { run } from './commands/run.ts'
import { synth } from './commands/synth.ts'
import { template } from './commands/template.ts'
import { tokenize } from './commands/tokenize.ts'
import { table, visible } from './format.ts'
import { writeLine, type Io } from './io.ts'

const COMMANDS: readonly Command[] = [
  run,
  chat,
  inspect,
  haiku,
  bench,
  perplexity,
  logits,
  tokenize,
  detokenize,
  template,
  synth,
  devices,
]

/** Runs a command line without its program's name; resolves to the exit status: 0, 1, 2 or 130. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args
  try {
    if (name === undefined) throw new UsageError('A command is missing')
    const text = information(name, rest)
    if (text !== null) {
      await writeLine(io.stdout, text)
      return 0
    }
    return await find(name).run(rest, io)
  } catch (error) {
    if (io.signal.aborted) return CANCELLED
    return await report(error, name, io)
  }
}

/** What is printed instead of running anything: help or the version. */
function information(name: string, rest: string[]): string | null {
  if (name === '--version' || name === '-V') return `kigo ${packageJson.version}`
  if (name === '--help' || name === '-h') return help()
  if (name === 'help') return rest[0] === undefined ? help() : find(rest[0]).usage
  const flags = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length)
  return flags.includes('--help') || flags.includes('-h') ? find(name).usage : null
}

function find(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (!command) throw new UsageError(`There is no command '${name}'`)
  return command
}

function help(): string {
  return `kigo COMMAND …   local language models on the command line

${table(COMMANDS.map(({ name, summary }) => [`  ${name}`, summary]))}

\`kigo COMMAND --help\` tells a command's flags; \`kigo --version\` the version.
With --json, stdout carries JSON alone. Exit status: 0, 1 (failed), 2 (wrong usage), 130 (Ctrl+C).`
}

/** Ways out that are flags and commands here; the window has buttons for them. */
const CLI_WAYS: Partial<Record<ErrorCode, string>> = {
  DEVICE_UNAVAILABLE: 'Run on the CPU with --device cpu; `kigo devices` lists what there is.',
  PROMPT_TOO_LONG: 'Shorten it, or give more room with --ctx.',
  TEMPLATE_ERROR: 'Pass --raw to complete plain text, or choose another file of this model.',
}

/** The error and its way out on stderr; the exit status. */
async function report(error: unknown, name: string | undefined, io: Io): Promise<number> {
  if (error instanceof UsageError) {
    const known = COMMANDS.some((command) => command.name === name)
    await writeLine(io.stderr, `error INVALID_INPUT: ${error.message}`)
    await writeLine(io.stderr, `hint: see \`kigo ${known ? `${name} ` : ''}--help\``)
    return 2
  }
  const { code, message, hint, data } = KigoError.from(error)
  const path = data?.['path']
  const where = typeof path === 'string' && !message.includes(path) ? ` (${path})` : ''
  await writeLine(io.stderr, `error ${code}: ${visible(message)}${where}`)
  const general = hint === ERRORS[code].wayOut
  await writeLine(io.stderr, `hint: ${(general ? CLI_WAYS[code] : undefined) ?? hint}`)
  // Nobody expected this one: say all that is known.
  if (code === 'INTERNAL')
    await writeLine(io.stderr, error instanceof Error ? (error.stack ?? '') : JSON.stringify(data))
  return 1
}
