/** Whether a window can be shown here, and a display of one's own for tests. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { SetupError } from './project.mjs'

/** Resolves to null where a window can be shown, else to the reason why not. */
export async function noDisplay() {
  if (process.platform !== 'linux' || process.env.WAYLAND_DISPLAY) return null
  const display = process.env.DISPLAY
  if (!display) return 'There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)'
  const local = /^:(\d+)/.exec(display)
  if (!local) return null // a remote one: Electron will see
  const number = local[1]
  const answers =
    (await listens(`/tmp/.X11-unix/X${number}`)) || (await listens(`\0/tmp/.X11-unix/X${number}`))
  return answers ? null : `The display ${display} does not answer`
}

function listens(path) {
  return new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

/** This Linux keeps user namespaces from ordinary users; Chromium's sandbox then needs its helper setuid root. */
export function sandboxIsDenied() {
  if (process.platform !== 'linux' || process.getuid() === 0) return false
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : null)
  return (
    read('/proc/sys/kernel/unprivileged_userns_clone') === '0' ||
    read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1' ||
    read('/proc/sys/user/max_user_namespaces') === '0'
  )
}

export function isSetuidRoot(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && stat.uid === 0 && (stat.mode & 0o4000) !== 0
}

/**
 * Starts an Xvfb of its own on a free display.
 * @returns {Promise<{env: {DISPLAY: string}, stop: () => void}>}
 */
export function startXvfb() {
  return new Promise((done, fail) => {
    const args = ['-displayfd', '3', '-screen', '0', '1600x1000x24', '-nolisten', 'tcp', '-noreset']
    const child = spawn('Xvfb', args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
    const stop = () => child.kill()
    let number = ''
    let words = ''
    child.stderr.on('data', (data) => (words = (words + data).slice(-2000)))
    child.stdio[3].on('data', (data) => {
      number += data
      if (number.endsWith('\n')) done({ env: { DISPLAY: `:${number.trim()}` }, stop })
    })
    child.on('error', (error) => fail(new SetupError(`Xvfb could not be started: ${error.message}`)))
    child.on('exit', (code) => fail(new SetupError(`Xvfb ended with status ${code}: ${words.trim()}`)))
    process.on('exit', stop)
  })
}
