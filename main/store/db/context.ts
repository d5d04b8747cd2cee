/** What a method of the store works with: one transaction. */
import type Database from 'libsql'
import type { Change } from '../../../contract/tree.ts'

/** A change before it has its number: it gets one when its transaction is on the disk. */
export type Told = Change extends infer C ? (C extends Change ? Omit<C, 'rev'> : never) : never

export interface Context {
  db: Database.Database
  /** Milliseconds since 1970, the same within one transaction. */
  now: number
  tell: (change: Told) => void
}
