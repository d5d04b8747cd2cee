/** Files that are whole at their place or not there at all, also after a power cut: synced, then renamed. */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Moves a finished file to its place. */
export function putFile(finished, path) {
  syncPath(finished)
  renameSync(finished, path)
  syncFolder(dirname(path))
}

/** Writes a small file. */
export function writeWhole(path, text) {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, text)
  putFile(temporary, path)
}

/** Moves a finished folder, with all that is in it, to the place of an old one. */
export function putFolder(finished, path) {
  for (const entry of readdirSync(finished, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) syncPath(join(entry.parentPath, entry.name))
    else if (entry.isDirectory()) syncFolder(join(entry.parentPath, entry.name))
  }
  syncFolder(finished)
  rmSync(path, { recursive: true, force: true })
  renameSync(finished, path)
  syncFolder(dirname(path))
}

function syncPath(path) {
  // Windows syncs only what may be written.
  const file = openSync(path, process.platform === 'win32' ? 'r+' : 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** The names in it: Windows has no such thing, nor have some shared and network folders. */
function syncFolder(path) {
  if (process.platform === 'win32') return
  try {
    syncPath(path)
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(error.code)) throw error
  }
}
