/** Files that one living process holds at a time; what a dead one left is taken over. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'

/** True: this process holds it now. False: another one does, or it was just freed; the next try may get it. */
export function takeLock(path) {
  try {
    writeFileSync(path, owner(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (!ownerLives(path)) free(path)
    return false
  }
}

/** One at a time, and after another look: what was a dead one's lock a moment ago may be the next owner's by now. */
function free(path) {
  const turn = `${path}.free`
  try {
    writeFileSync(turn, '', { flag: 'wx' })
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (isOld(turn)) rmSync(turn, { force: true })
    return
  }
  if (!ownerLives(path)) rmSync(path, { force: true })
  rmSync(turn, { force: true })
}

/**
 * Ids come again: in a container that is started anew the next set-up often has that of the one that was killed. So
 * on Linux the time counts too at which the process was started.
 */
function owner(pid) {
  try {
    // Behind the name, which may hold anything, the fields are the third and following; the start is the 22nd.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return `${pid} ${fields[19]}`
  } catch {
    return `${pid}`
  }
}

function ownerLives(path) {
  try {
    const written = readFileSync(path, 'utf8')
    const pid = Number.parseInt(written, 10)
    if (!pid) return !isOld(path) // just created, not yet written
    process.kill(pid, 0)
    return !written.includes(' ') || written === owner(pid)
  } catch (error) {
    // ENOENT: given back just now.
    return error.code === 'EPERM' || error.code === 'ENOENT'
  }
}

/** Whoever makes a file writes or removes it at once; what stays for seconds was left by a process that was killed. */
function isOld(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > 2000
}
