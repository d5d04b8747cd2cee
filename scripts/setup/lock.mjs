/** Files that one living process holds at a time; what a dead one left is taken over. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'

/** True: this process holds it now. False: another one does, or it was just freed; the next try may get it. */
export function takeLock(path) {
  try {
    writeFileSync(path, owner(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (!ownerLives(path)) rmSync(path, { force: true })
    return false
  }
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
    if (!pid) return Date.now() - statSync(path).mtimeMs < 2000 // just created, not yet written
    process.kill(pid, 0)
    return !written.includes(' ') || written === owner(pid)
  } catch (error) {
    // ENOENT: given back just now. Whoever removed it "as a dead one's" might remove the next owner's.
    return error.code === 'EPERM' || error.code === 'ENOENT'
  }
}
