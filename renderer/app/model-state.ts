/**
 * The state of the model has one source in the window: what main tells of it, event by event. Answers travel apart from
 * events and may overtake them, so no answer to a request becomes the state. Main's first answer, at the start, does
 * only as long as there was no event.
 */
import type { ModelState } from '../../contract/model.ts'
import { paceOf } from '../features/models/loading.ts'
import { askUsage, inspect, newChat, refreshModels } from './actions.ts'
import { get, nothingYet, set } from './store.ts'

/** A load that is over sooner shows no progress at all, ms. */
const SHOWS_AFTER = 300

let waiting: ReturnType<typeof setTimeout> | undefined

/** Main has told the state: takes it over, and does what follows from a change. */
export function takeModel(state: ModelState): void {
  const before = get().model
  set(({ loadPace }) => ({ model: state, loadPace: paceOf(loadPace, state, performance.now()) }))
  if (state.status === 'loading' && get().shown?.status !== 'loading')
    waiting ??= setTimeout(show, SHOWS_AFTER)
  else if (state.status !== 'none' || !get().replacing) show()
  if (before === null || subject(before) !== subject(state)) {
    if (state.status === 'loading' || before?.status !== 'loading')
      set(({ info }) => ({ contextAtLoad: info?.loadSettings.contextLength ?? null }))
    changed(state)
  }
}

/** A load, a model and a failure are others when their file is another. */
const subject = (state: ModelState): string =>
  `${state.status} ${state.status === 'loaded' ? state.model.path : 'path' in state ? state.path : ''}`

function show(): void {
  clearTimeout(waiting)
  waiting = undefined
  set(({ model }) => ({ shown: model, replacing: false }))
  // The first load of all ends the first-run view, which has no chat.
  if (get().started && get().current === null && !nothingYet(get())) void newChat()
}

function changed(state: ModelState): void {
  if (state.status === 'loading') return void inspect(state.path)
  if (state.status === 'failed') void inspect(state.path, true)
  if (state.status === 'loaded') {
    const { path, inspection } = state.model
    set(({ inspected }) => ({ inspected: { ...inspected, [path]: { ok: true, inspection } }, usage: null }))
  }
  void refreshModels()
  askUsage.soon()
}
