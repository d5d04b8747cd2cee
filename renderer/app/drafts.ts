/** What is typed and not sent lies in main too: a page that was reloaded or crashed finds it there. */
import { request } from './bridge.ts'
import { get, useKigo } from './store.ts'

/** A crash loses no more than what was typed within this time, ms. */
const SAVE_MS = 250

export function keepDrafts(): void {
  const kept = new Map<string, string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const save = (): void => {
    timer = undefined
    for (const [id, text] of Object.entries(get().drafts)) {
      // The new chat has no id yet, and its draft one as soon as it has.
      if (id === '' || text === kept.get(id)) continue
      kept.set(id, text)
      void request('chat.draft', { id, text })
    }
  }
  useKigo.subscribe(({ drafts }, before) => {
    if (drafts !== before.drafts) timer ??= setTimeout(save, SAVE_MS)
  })
  window.addEventListener('pagehide', save)
}
