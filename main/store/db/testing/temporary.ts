/** A database in a folder of its own, for tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { openDatabase } from '../database.ts'
import { Store } from '../methods.ts'

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'kigo-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A new store in this thread. */
export function temporaryStore(): Store {
  const store = new Store(openDatabase(path.join(temporaryFolder(), 'kigo.db')).db)
  onTestFinished(() => store.close())
  return store
}
