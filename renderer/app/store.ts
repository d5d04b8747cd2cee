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
  info: AppInfo | null
  model: ModelState | null
  loadPace: LoadPace | null
  devices: Device[]
  /** Why no GPU can be used; null where one can, or before the devices are known. */
  noGpu: ErrorData | null
  recents: RecentModel[]
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
  info: null,
  model: null,
  loadPace: null,
  devices: [],
  noGpu: null,
  recents: [],
  inspected: {},
  conversations: [],
  current: null,
  order: {},
  messages: {},
  live: {},
  drafts: {},
  usage: null,
  gone: {},
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

export const loadedModel = (state: KigoState): LoadedModel | null =>
  state.model?.status === 'loaded' ? state.model.model : null

/** Nothing was ever loaded and nothing was said: the first-run view. */
export const firstRun = (state: KigoState): boolean =>
  state.model !== null &&
  currentOrder(state).length === 0 &&
  state.recents.length === 0 &&
  (state.model.status === 'failed' || (state.model.status === 'none' && state.model.lastPath === null))
