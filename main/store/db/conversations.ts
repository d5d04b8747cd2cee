/** Conversations: their rows, titles, drafts, and the way to and from Recently deleted. */
import type { ConversationId, ConversationRow } from '../../../contract/tree.ts'
import { KigoError } from '../../../contract/errors.ts'
import { CONVERSATION_COLUMNS, conversationRow, json, storable } from './rows.ts'
import type { Context } from './context.ts'

/** What may be changed of a conversation by itself. */
export interface ConversationPatch {
  title?: string
  titledBy?: ConversationRow['titledBy']
  settings?: ConversationRow['settings']
  model?: ConversationRow['model']
  pinned?: boolean
}

export interface PageRequest {
  /** Of deleted ones, or of the others. */
  deleted?: boolean
  /** The row in front of the first one wanted; null or absent: from the top. */
  after?: Pick<ConversationRow, 'pinned' | 'updatedAt' | 'id'> | null
  limit: number
}

/** A conversation of which nothing was said yet: kept for its draft and settings, and shown in no list. */
export function create(ctx: Context, id: ConversationId, title: string): ConversationRow {
  const { db, now } = ctx
  db.prepare(
    `INSERT INTO conversation (id, title, titled_by, head, settings, model, pinned, draft, created_at, updated_at)
     VALUES (?, ?, 'auto', NULL, '{}', NULL, 0, '', ?, ?) ON CONFLICT (id) DO NOTHING`,
  ).run(id, title, now, now)
  return conversation(ctx, id)
}

/** INVALID_INPUT where there is none. */
export function conversation({ db }: Context, id: ConversationId): ConversationRow {
  const columns = db.prepare(`SELECT ${CONVERSATION_COLUMNS} FROM conversation WHERE id = ?`).get(id)
  if (!columns) {
    throw new KigoError('INVALID_INPUT', 'There is no such conversation.', {
      hint: 'It may have been deleted. Choose another one.',
      data: { id },
    })
  }
  return conversationRow(columns)
}

/** Those in which something was said, pinned ones first, then the one used last first. */
export function page(
  { db }: Context,
  { deleted = false, after = null, limit }: PageRequest,
): ConversationRow[] {
  const where = ['head IS NOT NULL', deleted ? 'deleted_at IS NOT NULL' : 'deleted_at IS NULL']
  const from: (string | number)[] = []
  if (after) {
    where.push('(pinned, updated_at, id) < (?, ?, ?)')
    from.push(after.pinned ? 1 : 0, after.updatedAt, after.id)
  }
  return db
    .prepare(
      `SELECT ${CONVERSATION_COLUMNS} FROM conversation WHERE ${where.join(' AND ')}
       ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT ?`,
    )
    .all(...from, limit)
    .map(conversationRow)
}

export function change(ctx: Context, id: ConversationId, patch: ConversationPatch): ConversationRow {
  const row = { ...conversation(ctx, id), ...patch }
  ctx.db
    .prepare(
      'UPDATE conversation SET title = ?, titled_by = ?, settings = ?, model = ?, pinned = ? WHERE id = ?',
    )
    .run(
      ...[storable(row.title), row.titledBy, json(row.settings), row.model && json(row.model)],
      ...[row.pinned ? 1 : 0, id],
    )
  return changed(ctx, id)
}

/** Deleted, and kept until it is purged. */
export function trash(ctx: Context, id: ConversationId): ConversationRow {
  conversation(ctx, id)
  ctx.db.prepare('UPDATE conversation SET deleted_at = ? WHERE id = ?').run(ctx.now, id)
  return changed(ctx, id)
}

export function untrash(ctx: Context, id: ConversationId): ConversationRow {
  conversation(ctx, id)
  ctx.db.prepare('UPDATE conversation SET deleted_at = NULL WHERE id = ?').run(id)
  return changed(ctx, id)
}

/** Those deleted before `time` go for good, with all of their messages. */
export function purge({ db, tell }: Context, time: number): ConversationId[] {
  const rows = db.prepare('SELECT id FROM conversation WHERE deleted_at < ?').all(time) as { id: string }[]
  for (const { id } of rows) {
    db.prepare('DELETE FROM conversation WHERE id = ?').run(id)
    tell({ type: 'gone', id })
  }
  return rows.map(({ id }) => id)
}

export function saveDraft(ctx: Context, id: ConversationId, text: string): null {
  conversation(ctx, id)
  ctx.db.prepare('UPDATE conversation SET draft = ? WHERE id = ?').run(storable(text), id)
  return null
}

export function draft(ctx: Context, id: ConversationId): string {
  conversation(ctx, id)
  return (ctx.db.prepare('SELECT draft FROM conversation WHERE id = ?').get(id) as { draft: string }).draft
}

/** Tells the window of the row as it is now. */
export function changed(ctx: Context, id: ConversationId): ConversationRow {
  const row = conversation(ctx, id)
  ctx.tell({ type: 'conversation', row })
  return row
}
