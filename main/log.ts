/** The log: a rotating file in the profile, and stderr. Help › Open logs shows its folder. */
import path from 'node:path'
import log from 'electron-log/node'

/** Bytes after which the file is kept once as `kigo.old.log` and a new one begun. */
const MAX_BYTES = 2 * 1024 * 1024

/** Sets the file up; returns its path. */
export function openLog(userData: string): string {
  const file = path.join(userData, 'logs', 'kigo.log')
  log.transports.file.resolvePathFn = () => file
  log.transports.file.maxSize = MAX_BYTES
  log.transports.file.level = 'info'
  log.transports.console.level = 'warn'
  log.transports.console.useStyles = false
  return file
}

export { log }
