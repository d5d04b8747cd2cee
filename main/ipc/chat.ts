import type { Conversations } from '../chat/conversations.ts'
import type { Replies } from '../chat/replies.ts'
import type { Handlers, RoutesOf } from './router.ts'

export interface ChatDeps {
  conversations: Conversations
  replies: Replies
}

export function chatHandlers({ conversations, replies }: ChatDeps): Handlers<RoutesOf<'chat'>> {
  return {
    'chat.list': () => conversations.list(),
    'chat.create': () => conversations.create(),
    'chat.get': ({ id }) => conversations.get(id),
    'chat.delete': async ({ id }) => {
      await replies.delete(id)
      return null
    },
    'chat.send': ({ id, text }) => replies.send(id, text),
    'chat.draft': ({ id, text }) => {
      conversations.setDraft(id, text)
      return null
    },
    'chat.stop': async ({ id }) => {
      await replies.stop(id)
      return null
    },
    'chat.usage': ({ id, draft }) => replies.usage(id, draft),
  }
}
