/** Everything that the store can do, by name. Each is one transaction: it is on the disk whole, or not at all. */
import type { Change } from '../../../contract/tree.ts'
import type Database from 'libsql'
import type { Context, Told } from './context.ts'
import { change, create, draft, page, purge, saveDraft, trash, untrash } from './conversations.ts'
import { append, beginTurn, endReply, node, path, recover, setHead, setState } from './messages.ts'
import { search } from './search.ts'

const METHODS = {
  create,
  page,
  change,
  trash,
  untrash,
  purge,
  saveDraft,
  draft,
  beginTurn,
  append,
  setState,
  endReply,
  setHead,
  path,
  node,
  recover,
  search,
}

export type MethodName = keyof typeof METHODS
type WithoutContext<F> = F extends (ctx: Context, ...args: infer A) => infer R ? (...args: A) => R : never
export type Methods = { [M in MethodName]: WithoutContext<(typeof METHODS)[M]> }

/** The answer of a method, the changes that it made, and the number of the last change up to it. */
export interface Answer {
  value: unknown
  changes: Change[]
  rev: number
}

export class Store {
  readonly #db: Database.Database
  #rev = 0

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** What the method throws undoes all of it. */
  call<M extends MethodName>(
    name: M,
    args: Parameters<Methods[M]>,
  ): Answer & { value: ReturnType<Methods[M]> } {
    const told: Told[] = []
    const ctx: Context = { db: this.#db, now: Date.now(), tell: (change) => told.push(change) }
    const method = METHODS[name] as (ctx: Context, ...rest: unknown[]) => ReturnType<Methods[M]>
    const value = this.#db.transaction(() => method(ctx, ...args)).immediate()
    const changes = told.map((change): Change => ({ ...change, rev: ++this.#rev }))
    return { value, changes, rev: this.#rev }
  }

  /** Puts the log into the file: a clean end. */
  close(): void {
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
    this.#db.close()
  }
}
