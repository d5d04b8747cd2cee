/**
 * Brings a database to the newest schema. Each schema is a script that runs once, in the order of its number, all in
 * one transaction; the table schema_version says which ran. The file is copied before the first one that changes it.
 */
import path from 'node:path'
import type Database from 'libsql'
import { KigoError } from '../../../contract/errors.ts'
import first from './schema/001.ts'

/** In the order of their numbers, from 1. */
const SCRIPTS: readonly string[] = [first]

/**
 * STORE_NEWER where the file was written by a newer Kigo: it is left as it is.
 * @param scripts of tests alone
 */
export function migrate(db: Database.Database, file: string, scripts: readonly string[] = SCRIPTS): void {
  db.exec(
    'CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT',
  )
  const { version } = db.prepare('SELECT ifnull(max(version), 0) AS version FROM schema_version').get() as {
    version: number
  }
  if (version > scripts.length) {
    throw new KigoError(
      'STORE_NEWER',
      `The conversations were saved by a newer Kigo (format ${version}; this one knows ${scripts.length}).`,
      { data: { file, version, known: scripts.length } },
    )
  }
  if (version === scripts.length) return
  if (version > 0) backUp(db, file, version)
  db.transaction(() => {
    for (let next = version + 1; next <= scripts.length; ++next) {
      db.exec(scripts[next - 1] as string)
      db.prepare('INSERT INTO schema_version VALUES (?, ?)').run(next, Date.now())
    }
  }).immediate()
}

/** Beside the file, as SQLite's own whole copy: what a cut-off copy would leave is no database. */
function backUp(db: Database.Database, file: string, version: number): void {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const name = `${path.basename(file, path.extname(file))}.before-format-${version + 1}-${stamp}.db`
  db.prepare('VACUUM INTO ?').run(path.join(path.dirname(file), name))
}
