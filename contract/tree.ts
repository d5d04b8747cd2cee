/**
 * A conversation as it is kept: a tree of messages, of which the path from the root to `head` is what a person sees.
 * Editing and regenerating add siblings; nothing that was said is overwritten. Plain data, as it crosses to the window.
 */
import type { Reason, ReplyStats } from './chat.ts'
import type { ErrorData } from './errors.ts'
import type { ChatSettings } from './sampling.ts'

export type ConversationId = string
export type MessageId = string
export type AttachmentId = string

/** What a message is made of, in order. */
export type Part =
  | { kind: 'text'; text: string }
  /** `ms`: how long the model thought; absent while it does, and where nobody measured. */
  | { kind: 'thinking'; text: string; ms?: number }
  | { kind: 'attachment'; attachment: AttachmentId }

export type PartKind = Part['kind']

/** 'queued' to 'writing' are those of a reply under way; a program that ended in one of them leaves 'interrupted'. */
export const UNFINISHED = ['queued', 'waiting', 'reading', 'writing'] as const
export const FINISHED = ['done', 'failed', 'interrupted'] as const
export type MessageState = (typeof UNFINISHED)[number] | (typeof FINISHED)[number]

/** A model file: where it lay, and what tells it from another file that lies there later. */
export interface ModelRef {
  path: string
  /** Hash of the header; null where it was never computed. */
  hash: string | null
}

/** Everything that "same again" needs, as it was when the message was sent. */
export interface Author {
  model: ModelRef
  name: string
  settings: ChatSettings
  seed: number
  device: string
  engine: string
}

export interface MessageNode {
  id: MessageId
  conversation: ConversationId
  /** null: the first message. A conversation may have several first messages: the first one can be edited too. */
  parent: MessageId | null
  /** Among its siblings, from 0 in the order in which they were made. */
  order: number
  role: 'user' | 'assistant'
  parts: Part[]
  state: MessageState
  /** Milliseconds since 1970. */
  createdAt: number
  by?: Author
  reason?: Reason
  stats?: ReplyStats
  error?: ErrorData
}

/** A conversation as the list shows it. Times are milliseconds since 1970. */
export interface ConversationRow {
  id: ConversationId
  title: string
  /** 'person': renamed by hand, so no longer named after its first message. */
  titledBy: 'auto' | 'person'
  /** The last message of the path that is shown; null: nothing was said yet. */
  head: MessageId | null
  /** What differs from the model's own settings. */
  settings: Partial<ChatSettings>
  model: ModelRef | null
  pinned: boolean
  createdAt: number
  updatedAt: number
  /** null: not deleted. A deleted one can be had back until it is purged. */
  deletedAt: number | null
}

/**
 * What changed, in the order of `rev`, which grows by one with each change of this run of Kigo. Who misses a number
 * fetches what it shows again.
 */
export type Change = { rev: number } & (
  | { type: 'conversation'; row: ConversationRow }
  | { type: 'gone'; id: ConversationId }
  | { type: 'node'; node: MessageNode }
)

/** One message of the path that is shown, and its place among its siblings. */
export interface PathStep {
  node: MessageNode
  /** Ids of all siblings in their order, itself included. */
  siblings: MessageId[]
}

/** A place where the words of a search were found. */
export interface SearchHit {
  conversation: ConversationId
  title: string
  /** null: in the title. */
  message: MessageId | null
  /** The text around the first word that was found, and where the words lie in it (UTF-16 offsets, half open). */
  context: string
  marks: [number, number][]
  updatedAt: number
}
