/** How routes, events and ports cross: the names that preload and main share. */
import type { ErrorData } from './errors.ts'
import type { ConversationSummary } from './chat.ts'
import type { ModelState } from './model.ts'
import type { RouteInput, RouteName, RouteOutput } from './routes.ts'

export const REQUEST_CHANNEL = 'kigo:request'
export const EVENT_CHANNEL = 'kigo:event'
/** The preload tells main of each file whose path it gave to the page: a person dropped it. */
export const DROP_CHANNEL = 'kigo:dropped'
/** The preload posts `{type: STREAM_MESSAGE, streamId}` with the port to the page. */
export const STREAM_MESSAGE = 'kigo:stream'

export type Result<T> = { ok: true; data: T } | { ok: false; error: ErrorData }

/** Pushed by main to every window. */
export type KigoEvent =
  | { type: 'model.state'; state: ModelState }
  | { type: 'chat.list'; conversations: ConversationSummary[] }
  /** A menu item or key that the page carries out. */
  | { type: 'command'; command: Command }
  /**
   * While the app runs, the OS or a second instance handed over a file: the page shows its card, as for a drop.
   * (A file on the command line of the first start is loaded by main itself.)
   */
  | { type: 'model.opened'; path: string }
  /**
   * Something failed that answers no request: an exception nobody caught, settings that could not be read or
   * written, a page that crashed. Shown as an alert. Those from before the page was there follow `app.info`.
   */
  | { type: 'fault'; error: ErrorData }

export type Command =
  | 'newChat'
  | 'openModel'
  | 'unloadModel'
  | 'toggleSidebar'
  | 'toggleSettings'
  | 'find'
  | 'showModels'
  | 'shortcuts'
  | 'haiku'
  | 'jumpToLatest'
  | 'focusNext'
  | 'focusPrevious'

/** `window.kigo`, exposed by preload: nothing else of Electron reaches the page. */
export interface KigoBridge {
  request<R extends RouteName>(route: R, input: RouteInput<R>): Promise<Result<RouteOutput<R>>>
  onEvent(listener: (event: KigoEvent) => void): () => void
  /** The path of a dropped file (webUtils.getPathForFile); '' if it has none. */
  pathForFile(file: File): string
}
