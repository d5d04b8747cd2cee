/** The tree of messages of a conversation: turns begin, grow and end; another branch comes into view. */
import type { Reason, ReplyStats } from '../../../contract/chat.ts'
import { KigoError, type ErrorData } from '../../../contract/errors.ts'
import {
  UNFINISHED,
  type Author,
  type ConversationId,
  type MessageId,
  type MessageNode,
  type MessageState,
  type Part,
  type PartKind,
  type PathStep,
} from '../../../contract/tree.ts'
import { changed, conversation, create } from './conversations.ts'
import type { Context } from './context.ts'
import {
  indexParts,
  insertPart,
  json,
  messageNode,
  storable,
  unindexParts,
  type MessageColumns,
} from './rows.ts'

export interface TurnBeginning {
  conversation: ConversationId
  /** Its title where this is its first turn. */
  title: string
  /** The message that the first new one answers; null: a first message. */
  parent: MessageId | null
  /** What the person said; absent where a reply is written again. */
  user?: { id: MessageId; parts: Part[] }
  reply: { id: MessageId; state: MessageState; by?: Author }
}

/** The person's message and the reply that begins, the draft gone: all of it or nothing. */
export function beginTurn(
  ctx: Context,
  turn: TurnBeginning,
): { user: MessageNode | null; reply: MessageNode } {
  const { db, now } = ctx
  create(ctx, turn.conversation, storable(turn.title))
  let { parent } = turn
  if (parent !== null && message(ctx, parent).conversation !== turn.conversation) throw noMessage(parent)
  let user: MessageNode | null = null
  if (turn.user) {
    const { id, parts } = turn.user
    user = insert(ctx, { ...turn, id, parent, role: 'user', state: 'done', parts })
    indexParts(db, id)
    parent = id
  }
  const { id, state, by } = turn.reply
  const reply = insert(ctx, { ...turn, id, parent, role: 'assistant', state, parts: [], by })
  if (turn.user) db.prepare("UPDATE conversation SET draft = '' WHERE id = ?").run(turn.conversation)
  db.prepare('UPDATE conversation SET updated_at = ? WHERE id = ?').run(now, turn.conversation)
  setHead(ctx, turn.conversation, id)
  return { user, reply }
}

interface NewMessage {
  conversation: ConversationId
  id: MessageId
  parent: MessageId | null
  role: MessageNode['role']
  state: MessageState
  parts: Part[]
  by?: Author | undefined
}

function insert(ctx: Context, m: NewMessage): MessageNode {
  const { db, now } = ctx
  const { place } = db
    .prepare(
      "SELECT count(*) AS place FROM message WHERE conversation = ? AND ifnull(parent, '') = ifnull(?, '')",
    )
    .get(m.conversation, m.parent) as { place: number }
  db.prepare(
    `INSERT INTO message (id, conversation, parent, place, role, state, created_at, author)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(m.id, m.conversation, m.parent, place, m.role, m.state, now, json(m.by))
  m.parts.forEach((part, n) => insertPart(db, m.id, n, part))
  const node = messageNode(db, message(ctx, m.id))
  ctx.tell({ type: 'node', node })
  return node
}

/**
 * Writes `text` into part `n` of a reply at `from` (UTF-16 units), where what was there from then on goes. Saying the
 * same again changes nothing. INVALID_INPUT where text in front of it is missing, or the reply has ended.
 */
export function append(
  { db }: Context,
  at: { message: MessageId; n: number; kind: Exclude<PartKind, 'attachment'>; from: number; text: string },
): null {
  const state = (db.prepare('SELECT state FROM message WHERE id = ?').get(at.message) as { state?: string })
    ?.state
  if (state === undefined) throw noMessage(at.message)
  if (!isUnfinished(state))
    throw new KigoError('INVALID_INPUT', 'This reply has ended.', { data: { message: at.message, state } })
  const there = db.prepare('SELECT text FROM part WHERE message = ? AND n = ?').get(at.message, at.n) as
    | { text: string }
    | undefined
  const before = there?.text ?? ''
  if (at.from > before.length) {
    throw new KigoError('INVALID_INPUT', 'Text in front of this is missing.', {
      data: { message: at.message, n: at.n, from: at.from, length: before.length },
    })
  }
  const text = before.slice(0, at.from) + at.text
  if (there)
    db.prepare('UPDATE part SET text = ? WHERE message = ? AND n = ?').run(storable(text), at.message, at.n)
  else insertPart(db, at.message, at.n, { kind: at.kind, text })
  return null
}

/** How far a reply is. One that goes on leaves the index until it ends again. */
export function setState(ctx: Context, id: MessageId, state: MessageState, by?: Author): MessageNode {
  message(ctx, id)
  if (isUnfinished(state)) unindexParts(ctx.db, id)
  ctx.db
    .prepare('UPDATE message SET state = ?, author = ifnull(?, author) WHERE id = ?')
    .run(state, json(by), id)
  return told(ctx, id)
}

export interface ReplyEnd {
  message: MessageId
  state: 'done' | 'failed' | 'interrupted'
  /** All of the reply, whatever was appended before. */
  parts: Part[]
  reason?: Reason
  stats?: ReplyStats
  error?: ErrorData
}

export function endReply(ctx: Context, end: ReplyEnd): MessageNode {
  const { db, now } = ctx
  const row = message(ctx, end.message)
  unindexParts(db, end.message)
  db.prepare('DELETE FROM part WHERE message = ?').run(end.message)
  end.parts.forEach((part, n) => insertPart(db, end.message, n, part))
  indexParts(db, end.message)
  db.prepare('UPDATE message SET state = ?, reason = ?, stats = ?, error = ? WHERE id = ?').run(
    ...[end.state, end.reason ?? null, json(end.stats), json(end.error), end.message],
  )
  db.prepare('UPDATE conversation SET updated_at = ? WHERE id = ?').run(now, row.conversation)
  changed(ctx, row.conversation)
  return told(ctx, end.message)
}

/**
 * Brings the branch of `id` into view: from there down along the children that were looked at last. Each parent on
 * the way up remembers which child that was.
 */
export function setHead(ctx: Context, conversationId: ConversationId, id: MessageId): MessageId {
  const { db } = ctx
  if (message(ctx, id).conversation !== conversationId) throw noMessage(id)
  db.prepare(
    `WITH RECURSIVE up (id, parent) AS (
       SELECT id, parent FROM message WHERE id = ?
       UNION ALL SELECT m.id, m.parent FROM message m JOIN up ON m.id = up.parent
     )
     UPDATE message SET last_child = up.id FROM up WHERE message.id = up.parent AND last_child IS NOT up.id`,
  ).run(id)
  const head = db
    .prepare(
      `WITH RECURSIVE down (id, child) AS (
         SELECT id, last_child FROM message WHERE id = ?
         UNION ALL SELECT m.id, m.last_child FROM message m JOIN down ON m.id = down.child
       )
       SELECT id FROM down WHERE child IS NULL`,
    )
    .get(id) as { id: string }
  db.prepare('UPDATE conversation SET head = ? WHERE id = ?').run(head.id, conversationId)
  changed(ctx, conversationId)
  return head.id
}

export interface PathRequest {
  conversation: ConversationId
  /** The last message wanted; absent: the head. */
  head?: MessageId
  /** Of the messages up to it, the last so many. */
  limit: number
}

/** From the oldest to the newest; `more`: there are older ones, of which the first one's parent is the last. */
export function path(ctx: Context, request: PathRequest): { steps: PathStep[]; more: boolean } {
  const { db } = ctx
  const row = conversation(ctx, request.conversation)
  const steps: PathStep[] = []
  let id = request.head ?? row.head
  const siblings = db.prepare(
    "SELECT id FROM message WHERE conversation = ? AND ifnull(parent, '') = ifnull(?, '') ORDER BY place",
  )
  while (id !== null && steps.length < request.limit) {
    const columns = message(ctx, id)
    if (columns.conversation !== row.id) throw noMessage(id)
    const ids = siblings.all(row.id, columns.parent) as { id: string }[]
    steps.push({ node: messageNode(db, columns), siblings: ids.map((sibling) => sibling.id) })
    id = columns.parent
  }
  return { steps: steps.reverse(), more: id !== null }
}

/**
 * What was being written when Kigo ended is kept with its words and is 'interrupted'. Called once, when the store is
 * opened.
 */
export function recover(ctx: Context): MessageId[] {
  const states = UNFINISHED.map((state) => `'${state}'`).join(', ')
  const rows = ctx.db.prepare(`SELECT id FROM message WHERE state IN (${states})`).all() as { id: string }[]
  for (const { id } of rows) {
    ctx.db.prepare("UPDATE message SET state = 'interrupted' WHERE id = ?").run(id)
    indexParts(ctx.db, id)
  }
  return rows.map(({ id }) => id)
}

export function node(ctx: Context, id: MessageId): MessageNode {
  return messageNode(ctx.db, message(ctx, id))
}

function told(ctx: Context, id: MessageId): MessageNode {
  const changedNode = node(ctx, id)
  ctx.tell({ type: 'node', node: changedNode })
  return changedNode
}

function message({ db }: Context, id: MessageId): MessageColumns {
  const row = db.prepare('SELECT * FROM message WHERE id = ?').get(id) as MessageColumns | undefined
  if (!row) throw noMessage(id)
  return row
}

function noMessage(id: MessageId): KigoError {
  return new KigoError('INVALID_INPUT', 'There is no such message in this conversation.', { data: { id } })
}

const isUnfinished = (state: string): boolean => UNFINISHED.some((unfinished) => unfinished === state)
