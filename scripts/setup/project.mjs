/** Where things lie, how set-up speaks, how it runs a program. Node's own modules only. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..', '..')
export const cache = join(root, '.cache')
export const dist = join(root, 'dist')

/** A failure of set-up in plain words, with what to do now. Scripts print it and exit with 1. */
export class SetupError extends Error {
  constructor(sentence, wayOut) {
    super(sentence)
    this.wayOut = wayOut
  }
}

/** Set-up speaks on stderr alone: `kigo --json` owns stdout. */
export function say(line) {
  process.stderr.write(`${line}\n`)
}

/** Runs a script's main function; a failure ends in a sentence and its way out, never in a stack. */
export async function main(run) {
  try {
    const code = await run()
    if (typeof code === 'number') process.exitCode = code
  } catch (thrown) {
    const error = inWords(thrown)
    if (!(error instanceof SetupError)) throw error
    say(`error: ${error.message}`)
    if (error.wayOut) say(error.wayOut)
    process.exitCode = 1
  }
}

/** What a disk or its rights say is no fault of the program either. */
function inWords(error) {
  if (['EACCES', 'EPERM', 'EROFS'].includes(error.code) && error.path)
    return new SetupError(
      `${error.path} may not be written or read by you.`,
      'Was set-up run as another user before? Give the checkout to one user (chown -R), and run the command again.',
    )
  if (error.code === 'ENOSPC')
    return new SetupError('The disk is full.', 'Set-up needs about 2 GB in this folder.')
  return error
}

/** First program of these names on PATH, as a path; null: none. */
export function findProgram(...names) {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', ''] : ['']
  for (const name of names)
    for (const folder of (process.env.PATH ?? '').split(delimiter))
      for (const suffix of suffixes) {
        const path = join(folder, name + suffix)
        if (folder && existsSync(path)) return path
      }
  return null
}

/**
 * Runs a program with its output on stderr, or where `stdio` says; `onOutput` is given its stdout as text.
 * Resolves to the exit status (128 + signal when one ended it); rejects with SetupError only if the program
 * cannot be started. `timeout` in ms ends it. A signal that is to end this process ends the program first: it would go
 * on writing while the next set-up begins. While it has the terminal ('inherit'), signals are its own affair.
 * `withDescendants`: a signal goes to all that the program started too, and the end of the last of them is waited for.
 */
export function run(
  command,
  args,
  { cwd = root, env = {}, timeout = 0, stdio = ['ignore', 2, 2], onOutput, withDescendants = false } = {},
) {
  // Descendants inherit the pipe, so it closes with the last of them.
  const heard = onOutput ?? (withDescendants ? (text) => process.stderr.write(text) : null)
  const ownGroup = withDescendants && process.platform !== 'win32'
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      timeout,
      killSignal: 'SIGKILL',
      stdio: heard ? ['ignore', 'pipe', 2] : stdio,
      detached: ownGroup,
    })
    const letGo = handOnSignals(child, ownGroup)
    child.stdout?.setEncoding('utf8').on('data', heard)
    child.on('error', (error) => {
      letGo()
      fail(new SetupError(`${command} could not be started: ${error.message}`))
    })
    child.on('close', (code, signal) => {
      const asked = letGo()
      if (asked && stdio !== 'inherit') return process.kill(process.pid, asked)
      done(signal ? 128 + constants.signals[signal] : code)
    })
  })
}

/**
 * A terminal sends Ctrl+C to both, so it is not sent on there, unless the child has a process group of its own;
 * everything else is. What comes back ends that and tells which signal came, if any.
 */
function handOnSignals(child, ownGroup) {
  let came = null
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
    const handler = () => {
      came = signal
      if (ownGroup) killGroup(child.pid, signal)
      else if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    process.on(signal, handler)
    return () => process.off(signal, handler)
  })
  return () => {
    handlers.forEach((remove) => remove())
    return came
  }
}

function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error // all of it has ended
  }
}

/** Runs one of Node's scripts, or npm itself, with this very Node. */
export const node = (args, options) => run(process.execPath, args, options)
export function npm(args, options) {
  // Who starts set-up may be another package manager, which names itself in npm's variable.
  const starter = process.env.npm_execpath ?? ''
  // Where it is on Windows, which starts no npm.cmd without a shell.
  const beside = join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
  const cli = [starter, beside].find((path) => basename(path) === 'npm-cli.js' && existsSync(path))
  return cli ? node([cli, ...args], options) : run('npm', args, options)
}
