import path from 'node:path'

/**
 * The folder that relative paths are meant from, or null where it was deleted. The process leaves it then: threads and
 * children start where it is, and would fail.
 */
export function workingFolder(): string | null {
  try {
    return process.cwd()
  } catch {
    process.chdir(path.parse(process.execPath).root)
    return null
  }
}
