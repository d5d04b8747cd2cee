import { useEffect } from 'react'
import { withModifier } from '../ui/key.ts'
import {
  cancelLoad,
  carryOut,
  closeDrawer,
  closeFind,
  closeHaiku,
  jumpToLatest,
  stop,
  toggleSettings,
} from './actions.ts'
import { focusComposer, focusNextRegion } from './focus.ts'
import { currentOrder, get, panelOpen, set, streamingMessage } from './store.ts'
import type { Command } from '../../contract/ipc.ts'

const WITH_MODIFIER: Record<string, Command> = {
  n: 'newChat',
  o: 'openModel',
  b: 'toggleSidebar',
  ',': 'toggleSettings',
  f: 'find',
  '/': 'shortcuts',
}

/** The keys of the whole window. What is handled here is prevented, so the menu's accelerator stays quiet. */
export function useKeys(): void {
  useEffect(() => {
    // In the capture phase: an open popover is still open when its Esc comes by here.
    window.addEventListener('keydown', onKey, true)
    return () => window.removeEventListener('keydown', onKey, true)
  }, [])
}

function onKey(event: KeyboardEvent): void {
  if (event.isComposing || event.keyCode === 229) return
  if (handled(event)) event.preventDefault()
}

function handled(event: KeyboardEvent): boolean {
  if (event.key === 'F6') {
    focusNextRegion(event.shiftKey ? -1 : 1)
    return true
  }
  if (withModifier(event)) {
    if (event.key === 'End') return jumpToLatest()
    const command = event.shiftKey && event.key !== '/' ? undefined : WITH_MODIFIER[event.key.toLowerCase()]
    if (command === undefined) return false
    if (!event.repeat) carryOut(command)
    return true
  }
  if (event.key === 'Escape') return escape()
  return false
}

/** Stop, else cancel what loads, else close what lies on top. */
function escape(): boolean {
  // A popover or a dialog closes itself and gives the focus back.
  if (document.querySelector('.pop[data-open], .dialog[data-open]')) return false
  const state = get()
  if (state.finding && document.querySelector('.find')?.contains(document.activeElement)) {
    closeFind()
  } else if (state.view === 'chat' && streamingMessage(state)) {
    void stop()
  } else if (state.view === 'chat' && state.model?.status === 'loading' && currentOrder(state).length === 0) {
    void cancelLoad()
  } else if (state.finding) {
    closeFind()
  } else if (state.drawer) {
    closeDrawer()
  } else if (state.width !== 'wide' && panelOpen(state)) {
    toggleSettings()
  } else if (state.view === 'haiku') {
    void closeHaiku()
  } else if (state.view === 'models') {
    set({ view: 'chat' })
    focusComposer()
  } else {
    return false
  }
  return true
}
