import { describe, expect, it, vi } from 'vitest'
import { Conversations } from '../chat/conversations.ts'
import type { Replies } from '../chat/replies.ts'
import { chatHandlers } from './chat.ts'

/** The handlers over real conversations, and what they ask of the replies. */
function chat() {
  const asked: unknown[][] = []
  const note =
    (what: string, answer: unknown) =>
    (...input: unknown[]): unknown => {
      asked.push([what, ...input])
      return answer
    }
  const usage = { used: 3, total: 8 }
  const replies = {
    delete: note('delete', Promise.resolve()),
    send: note('send', { user: 'u', assistant: 'a' }),
    stop: note('stop', Promise.resolve()),
    usage: note('usage', Promise.resolve(usage)),
  } as unknown as Replies
  const conversations = new Conversations(() => {})
  return { asked, usage, conversations, handlers: chatHandlers({ conversations, replies }) }
}

describe('what the page asks of conversations', () => {
  it('a new one is there to be got, and is listed once it holds a message', async () => {
    const { handlers, conversations } = chat()
    const made = await handlers['chat.create'](null, null)
    expect(await handlers['chat.get']({ id: made.id }, null)).toEqual(conversations.get(made.id))
    expect(await handlers['chat.list'](null, null)).toEqual([])
    expect(() => handlers['chat.get']({ id: 'none' }, null)).toThrow()
  })

  it('a draft is kept with its conversation', async () => {
    const { handlers } = chat()
    const { id } = await handlers['chat.create'](null, null)
    expect(await handlers['chat.draft']({ id, text: 'half a thou' }, null)).toBeNull()
    expect((await handlers['chat.get']({ id }, null)).draft).toBe('half a thou')
  })

  it('sending, stopping, deleting and counting are the replies’, with all that was given', async () => {
    const { handlers, asked, usage } = chat()
    expect(await handlers['chat.send']({ id: 'a', text: 'Hello' }, null)).toEqual({
      user: 'u',
      assistant: 'a',
    })
    expect(await handlers['chat.stop']({ id: 'b' }, null)).toBeNull()
    expect(await handlers['chat.delete']({ id: 'c' }, null)).toBeNull()
    expect(await handlers['chat.usage']({ id: 'd', draft: 'more' }, null)).toEqual(usage)
    expect(asked).toEqual([
      ['send', 'a', 'Hello'],
      ['stop', 'b'],
      ['delete', 'c'],
      ['usage', 'd', 'more'],
    ])
  })

  it.each(['chat.stop', 'chat.delete'] as const)('%s fails where the replies do', async (route) => {
    const fails = vi.fn(() => Promise.reject(new Error('no')))
    const replies = { stop: fails, delete: fails } as unknown as Replies
    const handlers = chatHandlers({ conversations: new Conversations(() => {}), replies })
    await expect(handlers[route]({ id: 'a' }, null)).rejects.toThrow('no')
  })
})
