/**
 * Opens the one database file: WAL, every commit on the disk before it is answered, foreign keys on. A file that is
 * damaged is kept beside the new one that is begun in its place; nothing is ever deleted here.
 */
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import Database from 'libsql'
import { KigoError } from '../../../contract/errors.ts'
import { migrate } from './migrate.ts'
import { isDamage, storeError } from './store-error.ts'

export interface OpenedDatabase {
  db: Database.Database
  /** The damaged file was kept under this name; null: there was none. */
  keptAside: string | null
}

/** STORE_NEWER, or STORE_UNWRITABLE where the file cannot be opened, moved or written. */
export function openDatabase(file: string): OpenedDatabase {
  try {
    mkdirSync(path.dirname(file), { recursive: true })
    return { db: open(file), keptAside: null }
  } catch (error) {
    if (!isDamage(error)) throw storeError(error, file)
    try {
      const keptAside = keepAside(file)
      return { db: open(file), keptAside }
    } catch (again) {
      throw storeError(again, file)
    }
  }
}

function open(file: string): Database.Database {
  // A clean end empties the log: what is in it says that the last run was cut short.
  const cutShort = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
  const db = new Database(file)
  try {
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    // Every page is looked at where pages may have suffered; else the first look at each of them tells.
    if (cutShort) check(db, file)
    migrate(db, file)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function check(db: Database.Database, file: string): void {
  const { quick_check: verdict } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
  if (verdict !== 'ok') throw new KigoError('STORE_DAMAGED', undefined, { data: { file, message: verdict } })
}

/** The database and its log together: without the log, the last words would be missing from what is kept. */
function keepAside(file: string): string {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const aside = path.join(
    path.dirname(file),
    `${path.basename(file, path.extname(file))}.damaged-${stamp}${path.extname(file)}`,
  )
  renameSync(file, aside)
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
  }
  return aside
}
