/** What the window shows, in one place. Components select the part they need; actions.ts changes it. */
import { create } from 'zustand'
import type { ContextUsage, ConversationSummary, HaikuResult, Message } from '../../contract/chat.ts'
import type { ErrorData } from '../../contract/errors.ts'
import type { Device, Inspection, LoadedModel, ModelState, RecentModel } from '../../contract/model.ts'
import type { AppInfo } from '../../contract/routes.ts'
import type { Live } from '../features/chat/stream.ts'
import type { LoadPace } from '../features/models/loading.ts'

export interface Notice {
  id: number
  error: ErrorData
  /** The model file that the error is about, if it is about one. */
  path?: string | undefined
}

export type View = 'chat' | 'models' | 'haiku'

/** What is known of a file: read, being read (absent), or why it cannot be. */
export type Inspected = { ok: true; inspection: Inspection } | { ok: false; error: ErrorData }

export type HaikuState =
  | { status: 'running'; since: number }
  | { status: 'done'; result: HaikuResult }
  | { status: 'failed'; error: ErrorData }

export interface KigoState {
  /** Everything that the first view needs is known; until then the window is paper. */
  started: boolean
  info: AppInfo | null
  /** As main told it last. */
  model: ModelState | null
  /** The same as it is shown: a load shows only after a moment, so one that is over sooner changes nothing twice. */
  shown: ModelState | null
  /** A load is cancelled for another one: the moment between them is not shown. */
  replacing: boolean
  loadPace: LoadPace | null
  /** What the settings said of the context length when the model's load began. */
  contextAtLoad: number | null
  devices: Device[]
  /** Why no GPU can be used; null where one can, or before the devices are known. */
  noGpu: ErrorData | null
  recents: RecentModel[]
  /** Files that were opened or dropped since the start, the last one first; some of them are recent models by now. */
  opened: string[]
  inspected: Record<string, Inspected>

  conversations: ConversationSummary[]
  /** The conversation on screen; null: a new chat that has no message yet and no id. */
  current: string | null
  /** Ids of the messages of each conversation that was fetched. */
  order: Record<string, string[]>
  messages: Record<string, Message>
  /** By message id, while its stream runs. */
  live: Record<string, Live>
  /** What was typed and not sent, by conversation; '' is the new chat. */
  drafts: Record<string, string>
  usage: ContextUsage | null
  /** Struck through in the list; deleted when the time for Undo is over. */
  gone: Record<string, true>
  /** Long messages of a person that are shown whole. */
  unfolded: Record<string, true>

  notices: Notice[]
  view: View
  /** The file whose card the models view shows. */
  card: string | null
  haiku: HaikuState | null
  shortcuts: boolean
  /** The find bar is open; what is looked for outlives it. */
  finding: boolean
  query: string
  /** Of the app's root: three columns from 1120 px, settings over the transcript below, one column below 900. */
  width: 'wide' | 'mid' | 'narrow'
  /** Below 900 px the sidebar is a drawer, below 1120 px the settings are a sheet: closed unless asked for. */
  drawer: boolean
  sheet: boolean
  /** What the polite status says: "Writing", "Reply finished, 412 tokens". */
  status: string
}

export const useKigo = create<KigoState>()(() => ({
  started: false,
  info: null,
  model: null,
  shown: null,
  replacing: false,
  loadPace: null,
  contextAtLoad: null,
  devices: [],
  noGpu: null,
  recents: [],
  opened: [],
  inspected: {},
  conversations: [],
  current: null,
  order: {},
  messages: {},
  live: {},
  drafts: {},
  usage: null,
  gone: {},
  unfolded: {},
  notices: [],
  view: 'chat',
  card: null,
  haiku: null,
  shortcuts: false,
  finding: false,
  query: '',
  width: 'wide',
  drawer: false,
  sheet: false,
  status: '',
}))

export const get = useKigo.getState
export const set = useKigo.setState

const NONE: string[] = []

/** Message ids of the conversation on screen. */
export const currentOrder = (state: KigoState): string[] =>
  state.current === null ? NONE : (state.order[state.current] ?? NONE)

/** The message that streams in the conversation on screen, if one does. */
export function streamingMessage(state: KigoState): Message | null {
  const last = currentOrder(state).at(-1)
  const message = last === undefined ? undefined : state.messages[last]
  return message?.status === 'streaming' ? message : null
}

export const draftKey = (state: KigoState): string => state.current ?? ''

/** The settings are for a chat, so the models view has none. */
export const panelOpen = (state: KigoState): boolean =>
  state.view !== 'models' &&
  (state.width === 'wide' ? (state.info?.appearance.settingsPanel ?? false) : state.sheet)

/** The model in use, as the window shows it. */
export const loadedModel = (state: KigoState): LoadedModel | null =>
  state.shown?.status === 'loaded' ? state.shown.model : null

/** The name that a file is known by before it is loaded: from its header, or from the last time; else null. */
export function knownName({ inspected, recents }: KigoState, path: string): string | null {
  const found = inspected[path]
  return found?.ok ? found.inspection.name : (recents.find((recent) => recent.path === path)?.name ?? null)
}

/** What a message is loaded for where no model is: the one that was used last, if that is known. */
export function lastModel({ model }: KigoState): { path: string; name: string } | null {
  if (model?.status !== 'none' || model.lastPath === null) return null
  return { path: model.lastPath, name: model.lastName ?? 'the last model' }
}

/** Nothing was ever loaded and nothing was said: the first-run view. */
export const firstRun = (state: KigoState): boolean => nothingYet(state, state.shown)

/** The same, whatever is on screen at the moment. */
export const nothingYet = (state: KigoState, model = state.model): boolean =>
  model !== null &&
  currentOrder(state).length === 0 &&
  state.recents.length === 0 &&
  (model.status === 'failed' || (model.status === 'none' && model.lastPath === null))
