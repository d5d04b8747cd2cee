/** Fetches what the window starts from and listens to what main pushes. */
import type { KigoEvent } from '../../contract/ipc.ts'
import { paceOf } from '../features/models/loading.ts'
import { listenForStreams } from '../features/chat/streams.ts'
import {
  askUsage,
  carryOut,
  deleteStruck,
  errorOf,
  inspect,
  keep,
  newChat,
  notify,
  refreshModels,
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
import { firstRun, get, set } from './store.ts'

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
    const [info, model, conversations, recents] = await Promise.all([
      ask('app.info'),
      ask('model.state'),
      ask('chat.list'),
      ask('model.recents'),
    ])
    // A start opens the last conversation; a reload what was on screen, and a chat without a message is not listed.
    const before = remembered()
    const id = !info.reopen
      ? null
      : before === null
        ? (conversations[0]?.id ?? null)
        : (conversations.find((conversation) => conversation.id === before)?.id ?? null)
    if (id !== null) keep(await ask('chat.get', { id }))
    if (model.status === 'loading' || model.status === 'failed') void inspect(model.path)
    // An event that came meanwhile is newer than the answer. What was typed meanwhile belongs to what comes on screen.
    set(({ model: newer, drafts }) => ({
      info,
      recents,
      conversations,
      current: id,
      model: newer ?? model,
      drafts:
        id === null ? drafts : { ...without(drafts, ''), [id]: (drafts[id] ?? '') + (drafts[''] ?? '') },
    }))
  } catch (thrown) {
    notify(errorOf(thrown))
  }
  if (get().current === null && !firstRun(get())) {
    const { notices } = get()
    await newChat()
    // What main had to say of the page before stays.
    set((state) => ({ notices: [...notices, ...state.notices] }))
  }
  focusComposer()
  askUsage.soon()
  await refreshModels()
}

function onEvent(event: KigoEvent): void {
  switch (event.type) {
    case 'model.state': {
      const before = get().model
      set(({ loadPace }) => ({
        model: event.state,
        loadPace: paceOf(loadPace, event.state, performance.now()),
      }))
      if (before?.status === event.state.status) return
      if (event.state.status === 'loading') {
        void inspect(event.state.path)
        if (get().current === null && get().info !== null) void newChat()
      }
      if (event.state.status === 'failed') void inspect(event.state.path, true)
      if (event.state.status === 'loaded') {
        const { path, inspection } = event.state.model
        set((state) => ({ inspected: { ...state.inspected, [path]: { ok: true, inspection } } }))
      }
      if (event.state.status !== 'loading') void refreshModels()
      return askUsage.soon()
    }
    case 'chat.list':
      return set({ conversations: event.conversations })
    case 'command':
      return carryOut(event.command)
    case 'model.opened':
      return showCard(event.path)
    case 'fault':
      return notify(event.error)
  }
}
