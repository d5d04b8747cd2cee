import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { KigoError } from '../../../contract/errors.ts'
import { openDatabase } from './database.ts'
import { migrate } from './migrate.ts'
import { Store } from './methods.ts'
import { temporaryFolder } from './testing/temporary.ts'

const REPLY = { conversation: 'c', title: 'T', parent: null, reply: { id: 'a', state: 'writing' as const } }

function thrown(work: () => unknown): KigoError {
  try {
    work()
  } catch (error) {
    return KigoError.from(error)
  }
  throw new Error('it threw nothing')
}

/** A database with one reply in it, closed cleanly. */
function written(folder: string): string {
  const file = path.join(folder, 'kigo.db')
  const store = new Store(openDatabase(file).db)
  store.call('beginTurn', [REPLY])
  store.call('endReply', [
    { message: 'a', state: 'done', parts: [{ kind: 'text', text: 'x'.repeat(20_000) }] },
  ])
  store.close()
  return file
}

function hasReply(file: string): boolean {
  const { db } = openDatabase(file)
  try {
    return db.prepare("SELECT 1 FROM message WHERE id = 'a'").get() !== undefined
  } finally {
    db.close()
  }
}

describe('the database', () => {
  it('keeps every commit before it is answered, checks keys, and leaves an empty log behind a clean end', () => {
    const file = path.join(temporaryFolder(), 'new folder', 'kigo.db')
    const { db, keptAside } = openDatabase(file)
    expect(keptAside).toBeNull()
    const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() as object)[0]
    expect([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys')]).toEqual(['wal', 2, 1])
    const store = new Store(db)
    store.call('beginTurn', [REPLY])
    expect([pragma('synchronous'), pragma('foreign_keys')]).toEqual([2, 1])
    store.close()
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0)
  })

  it.each([
    ['no database at all', (file: string) => writeFileSync(file, 'these are no pages\n'.repeat(1000))],
    ['its schema overwritten', (file: string) => overwrite(file, 100, 4000)],
    ['cut to a piece of a page', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 3000))],
  ])('that is %s is kept aside, and a new one is begun', (_what, damage) => {
    const file = written(temporaryFolder())
    damage(file)
    const bytes = readFileSync(file)
    const { db, keptAside } = openDatabase(file)
    db.close()
    expect(readFileSync(keptAside ?? '')).toEqual(bytes)
    expect(hasReply(file)).toBe(false)
  })

  it('whose pages suffered when a run was cut short is found out at the next start', () => {
    const folder = temporaryFolder()
    const file = written(folder)
    const { db } = openDatabase(file)
    db.prepare("UPDATE conversation SET title = 'in the log'").run()
    // As a kill leaves them: the file, and a log that was not put into it.
    const crashed = path.join(temporaryFolder(), 'kigo.db')
    copyFileSync(file, crashed)
    copyFileSync(`${file}-wal`, `${crashed}-wal`)
    db.close()
    overwrite(crashed, readFileSync(crashed).length - 4096 * 3, 4096 * 3)
    const again = openDatabase(crashed)
    again.db.close()
    expect(again.keptAside).not.toBeNull()
    expect(existsSync(`${again.keptAside}-wal`)).toBe(true)
  })

  it('with an empty file in its place, or trailing bytes, is as it was', () => {
    const empty = path.join(temporaryFolder(), 'kigo.db')
    writeFileSync(empty, '')
    expect(hasReply(empty)).toBe(false)
    const file = written(temporaryFolder())
    appendFileSync(file, 'x')
    expect(hasReply(file)).toBe(true)
  })

  it('of a newer Kigo is refused in words and left as it is', () => {
    const file = written(temporaryFolder())
    const { db } = openDatabase(file)
    db.prepare('INSERT INTO schema_version VALUES (999, 0)').run()
    new Store(db).close()
    const bytes = readFileSync(file)
    expect(thrown(() => openDatabase(file))).toMatchObject({ code: 'STORE_NEWER', data: { version: 999 } })
    expect(readFileSync(file)).toEqual(bytes)
    expect(readdirSync(path.dirname(file)).filter((name) => name.includes('damaged'))).toEqual([])
  })

  it('that cannot be opened says so: a folder in its place, a file where its folder should be', () => {
    const folder = temporaryFolder()
    mkdirSync(path.join(folder, 'kigo.db'))
    expect(thrown(() => openDatabase(path.join(folder, 'kigo.db')))).toMatchObject({
      code: 'STORE_UNWRITABLE',
    })
    writeFileSync(path.join(folder, 'file'), '')
    expect(thrown(() => openDatabase(path.join(folder, 'file', 'kigo.db')))).toMatchObject({
      code: 'STORE_UNWRITABLE',
    })
  })
})

describe('a migration', () => {
  const first = 'CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);'

  it('runs what is missing in order, once, and copies the file before it changes it', () => {
    const folder = temporaryFolder()
    const file = path.join(folder, 'kigo.db')
    const db = new Database(file)
    migrate(db, file, [first])
    expect(readdirSync(folder).filter((name) => name.includes('before-format'))).toEqual([])
    for (let i = 0; i < 2; ++i)
      migrate(db, file, [first, 'UPDATE a SET x = x + 1', 'UPDATE a SET x = x * 10'])
    expect(db.prepare('SELECT x FROM a').all()).toMatchObject([{ x: 80 }])
    db.close()
    const [copy, ...others] = readdirSync(folder).filter((name) => name.includes('before-format-2'))
    expect(others).toEqual([])
    const before = new Database(path.join(folder, copy ?? ''))
    expect(before.prepare('SELECT x FROM a').all()).toMatchObject([{ x: 7 }])
    before.close()
  })

  it('that fails changes nothing', () => {
    const file = path.join(temporaryFolder(), 'kigo.db')
    const db = new Database(file)
    migrate(db, file, [first])
    expect(() => migrate(db, file, [first, 'UPDATE a SET x = 8', 'UPDATE nowhere SET x = 9'])).toThrow(
      'nowhere',
    )
    expect(db.prepare('SELECT x FROM a').all()).toMatchObject([{ x: 7 }])
    expect(db.prepare('SELECT max(version) AS v FROM schema_version').get()).toMatchObject({ v: 1 })
    db.close()
  })
})

function overwrite(file: string, from: number, n: number): void {
  const bytes = readFileSync(file)
  bytes.fill(0xa5, from, from + n)
  writeFileSync(file, bytes)
}
