/** Rows of the database and the plain data that crosses to the window, each made of the other. */
import type Database from 'libsql'
import type { ConversationRow, MessageNode, Part } from '../../../contract/tree.ts'

interface ConversationColumns {
  id: string
  title: string
  titled_by: 'auto' | 'person'
  head: string | null
  settings: string
  model: string | null
  pinned: number
  created_at: number
  updated_at: number
  deleted_at: number | null
}
export interface MessageColumns {
  id: string
  conversation: string
  parent: string | null
  place: number
  role: 'user' | 'assistant'
  state: MessageNode['state']
  created_at: number
  last_child: string | null
  author: string | null
  reason: MessageNode['reason'] | null
  stats: string | null
  error: string | null
}
interface PartColumns {
  kind: Part['kind']
  text: string
  ms: number | null
  attachment: string | null
}

export const CONVERSATION_COLUMNS =
  'id, title, titled_by, head, settings, model, pinned, created_at, updated_at, deleted_at'

export function conversationRow(columns: unknown): ConversationRow {
  const row = columns as ConversationColumns
  return {
    id: row.id,
    title: row.title,
    titledBy: row.titled_by,
    head: row.head,
    settings: JSON.parse(row.settings) as ConversationRow['settings'],
    model: parsed(row.model) ?? null,
    pinned: row.pinned === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
  }
}

/** With its parts. */
export function messageNode(db: Database.Database, row: MessageColumns): MessageNode {
  return {
    id: row.id,
    conversation: row.conversation,
    parent: row.parent,
    order: row.place,
    role: row.role,
    parts: partsOf(db, row.id),
    state: row.state,
    createdAt: row.created_at,
    ...present('by', parsed<MessageNode['by']>(row.author)),
    ...present('reason', row.reason ?? undefined),
    ...present('stats', parsed<MessageNode['stats']>(row.stats)),
    ...present('error', parsed<MessageNode['error']>(row.error)),
  }
}

export function partsOf(db: Database.Database, message: string): Part[] {
  const rows = db
    .prepare('SELECT kind, text, ms, attachment FROM part WHERE message = ? ORDER BY n')
    .all(message) as PartColumns[]
  return rows.map(({ kind, text, ms, attachment }): Part => {
    if (kind === 'attachment') return { kind, attachment: attachment ?? '' }
    return kind === 'thinking' && ms !== null ? { kind, text, ms } : { kind, text }
  })
}

/**
 * `text` as the database can keep it: half of a surrogate pair has no UTF-8, and libsql reads a text up to its first
 * NUL. Each becomes U+FFFD, one unit for one.
 */
export const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd')

export function insertPart(db: Database.Database, message: string, n: number, part: Part): void {
  const text = part.kind === 'attachment' ? '' : storable(part.text)
  const ms = part.kind === 'thinking' ? (part.ms ?? null) : null
  const attachment = part.kind === 'attachment' ? part.attachment : null
  db.prepare('INSERT INTO part (message, n, kind, text, ms, attachment) VALUES (?, ?, ?, ?, ?, ?)').run(
    ...[message, n, part.kind, text, ms, attachment],
  )
}

/** Puts the words of a finished message where search finds them. */
export function indexParts(db: Database.Database, message: string): void {
  const fresh = "message = ? AND indexed = 0 AND kind <> 'attachment'"
  db.prepare(`INSERT INTO part_words (rowid, text) SELECT rowid, text FROM part WHERE ${fresh}`).run(message)
  db.prepare(`UPDATE part SET indexed = 1 WHERE ${fresh}`).run(message)
}

/** Takes a message's words out of the index, before they change. */
export function unindexParts(db: Database.Database, message: string): void {
  const old = 'message = ? AND indexed = 1'
  db.prepare(
    `INSERT INTO part_words (part_words, rowid, text) SELECT 'delete', rowid, text FROM part WHERE ${old}`,
  ).run(message)
  db.prepare(`UPDATE part SET indexed = 0 WHERE ${old}`).run(message)
}

export const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))

function parsed<T>(text: string | null): T | undefined {
  return text === null ? undefined : (JSON.parse(text) as T)
}

/** No key at all for what is not there. */
function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}
