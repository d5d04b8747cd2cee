/** Fetches what the window starts from and listens to what main pushes. */
import type { KigoEvent } from '../../contract/ipc.ts'
import { listenForStreams } from '../features/chat/streams.ts'
import {
  askUsage,
  carryOut,
  deleteStruck,
  errorOf,
  keep,
  newChat,
  notify,
  refreshModels,
  refreshRecents,
  remembered,
  saveChatSettings,
  saveLoadSettings,
  showCard,
  streamed,
  streamLost,
  without,
} from './actions.ts'
import { ask } from './bridge.ts'
import { keepDrafts } from './drafts.ts'
import { focusComposer } from './focus.ts'
import { takeModel } from './model-state.ts'
import { get, nothingYet, set } from './store.ts'

export async function boot(): Promise<void> {
  listenForStreams({ update: streamed, lost: (id, live, error) => void streamLost(id, live, error) })
  window.kigo.onEvent(onEvent)
  keepDrafts()
  window.addEventListener('pagehide', () => {
    deleteStruck()
    void saveChatSettings.now()
    void saveLoadSettings.now()
  })
  try {
    const [info, model, conversations] = await Promise.all([
      ask('app.info'),
      ask('model.state'),
      ask('chat.list'),
      refreshRecents(),
    ])
    // A start opens the last conversation; a reload what was on screen, and a chat without a message is not listed.
    const before = remembered()
    const id = !info.reopen
      ? null
      : before === null
        ? (conversations[0]?.id ?? null)
        : (conversations.find((conversation) => conversation.id === before)?.id ?? null)
    if (id !== null) keep(await ask('chat.get', { id }))
    // An event that came meanwhile is newer than the answer. What was typed meanwhile belongs to what comes on screen.
    set(({ drafts, conversations: newer }) => ({
      info,
      conversations: listTold ? newer : conversations,
      current: id,
      drafts:
        id === null ? drafts : { ...without(drafts, ''), [id]: (drafts[id] ?? '') + (drafts[''] ?? '') },
    }))
    if (get().model === null) takeModel(model)
    if (id === null && !nothingYet(get())) {
      const { notices } = get()
      await newChat()
      // What main had to say of the page before stays.
      set((state) => ({ notices: [...notices, ...state.notices] }))
    }
  } catch (thrown) {
    notify(errorOf(thrown))
  }
  set({ started: true })
  focusComposer()
  askUsage.soon()
  await refreshModels()
}

let listTold = false

function onEvent(event: KigoEvent): void {
  switch (event.type) {
    case 'model.state':
      return takeModel(event.state)
    case 'chat.list':
      listTold = true
      return set({ conversations: event.conversations })
    case 'command':
      return carryOut(event.command)
    case 'model.opened':
      return showCard(event.path)
    case 'fault':
      return notify(event.error)
  }
}
