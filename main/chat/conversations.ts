/**
 * The conversations of this run. They live in memory and end with it: nothing is written to disk yet; that they
 * outlive a restart comes with the database.
 */
import { randomUUID } from 'node:crypto'
import type { Conversation, ConversationSummary, Message } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'

const TITLE_LENGTH = 60
export const UNTITLED = 'New chat'

export class Conversations {
  readonly #byId = new Map<string, Conversation>()
  readonly #onChange: (list: ConversationSummary[]) => void

  /** `onChange` gets the whole list whenever a line of it changed. */
  constructor(onChange: (list: ConversationSummary[]) => void) {
    this.#onChange = onChange
  }

  /** Those that hold a message, the one used last first. */
  list(): ConversationSummary[] {
    return [...this.#byId.values()]
      .filter((conversation) => conversation.messages.length > 0)
      .map(({ id, title, updatedAt, streaming }) => ({ id, title, updatedAt, streaming }))
      .sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0))
  }

  /** An empty conversation: the one that is empty already, else a new one. */
  create(): Conversation {
    for (const conversation of this.#byId.values())
      if (conversation.messages.length === 0) return conversation
    const conversation: Conversation = {
      id: randomUUID(),
      title: UNTITLED,
      updatedAt: new Date().toISOString(),
      streaming: false,
      messages: [],
      draft: '',
    }
    this.#byId.set(conversation.id, conversation)
    return conversation
  }

  /** INVALID_INPUT where there is none of this id. */
  get(id: string): Conversation {
    const conversation = this.#byId.get(id)
    if (!conversation) {
      throw new KigoError('INVALID_INPUT', 'There is no such conversation.', {
        hint: 'It may have been deleted. Choose another one.',
        data: { id },
      })
    }
    return conversation
  }

  /** Appends messages; the first one of a person names the conversation. */
  add(conversation: Conversation, ...messages: Message[]): void {
    conversation.messages.push(...messages)
    if (conversation.title === UNTITLED) {
      const first = conversation.messages.find((message) => message.role === 'user')
      if (first) conversation.title = titleOf(first.text)
    }
    conversation.updatedAt = new Date().toISOString()
    this.#changed()
  }

  /** INVALID_INPUT where there is no such conversation. */
  setDraft(id: string, text: string): void {
    this.get(id).draft = text
  }

  setStreaming(conversation: Conversation, streaming: boolean): void {
    conversation.streaming = streaming
    conversation.updatedAt = new Date().toISOString()
    this.#changed()
  }

  delete(id: string): Conversation {
    const conversation = this.get(id)
    this.#byId.delete(id)
    this.#changed()
    return conversation
  }

  #changed(): void {
    this.#onChange(this.list())
  }
}

/** The first line that says something, cut at a word. */
export function titleOf(text: string): string {
  const line =
    text
      .split('\n')
      .map((part) => part.replaceAll(/\s+/g, ' ').trim())
      .find((part) => part !== '') ?? UNTITLED
  const letters = [...line]
  if (letters.length <= TITLE_LENGTH) return line
  const cut = letters.slice(0, TITLE_LENGTH).join('')
  const space = cut.lastIndexOf(' ')
  return `${(space > TITLE_LENGTH / 2 ? cut.slice(0, space) : cut).trimEnd()}…`
}
