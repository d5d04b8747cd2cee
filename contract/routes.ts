import { z } from 'zod'
import type { ContextUsage, Conversation, ConversationSummary, HaikuResult, Message } from './chat.ts'
import type { DeviceList, Inspection, ModelState, RecentModel } from './model.ts'
import { ChatSettingsPatch, LoadSettingsPatch, patchOf } from './sampling.ts'
import type { ChatSettings, LoadSettings } from './sampling.ts'

/**
 * Every request of the window, by name: the input is parsed in main before a handler sees it; the output is
 * main's own data and therefore only typed. One channel carries `{route, input}` and answers
 * `{ok: true, data}` or `{ok: false, error}`.
 */
const path = z.string().min(1).max(4096)
const id = z.string().min(1).max(64)
/** In a window: Electron fails where a number is none of 32 bits. */
const coordinate = z.number().min(-100_000).max(100_000)
const none = z.undefined().or(z.null()).optional()

export const Appearance = z.object({
  theme: z.enum(['system', 'light', 'dark']).default('system'),
  /** 'almanac' follows the haiku calendar of the hemisphere. */
  season: z.enum(['almanac', 'winter', 'spring', 'summer', 'autumn', 'off']).default('almanac'),
  hemisphere: z.enum(['north', 'south']).default('north'),
  readAloud: z.boolean().default(false),
  sidebar: z.boolean().default(true),
  settingsPanel: z.boolean().default(false),
})
export type Appearance = z.output<typeof Appearance>

export interface AppInfo {
  version: string
  electron: string
  platform: string
  /** The window draws its own title bar buttons (Linux, Windows). */
  ownWindowControls: boolean
  /** Show the conversation again that was on screen; false after a crash that it may have brought about. */
  reopen: boolean
  /** Path of the model that comes with Kigo, where it is on this computer. */
  bundledModel: string | null
  /** Threads that a model may be loaded with at most. */
  mostThreads: number
  appearance: Appearance
  chatSettings: ChatSettings
  loadSettings: LoadSettings
}

export const ROUTES = {
  'app.info': route(none).returns<AppInfo>(),
  'app.setAppearance': route(patchOf(Appearance)).returns<Appearance>(),
  'app.menu': route(z.object({ x: coordinate, y: coordinate })).returns<null>(),
  'app.openLogs': route(none).returns<null>(),
  /** Quits and starts again: what a lost GPU needs before it can be used again. */
  'app.restart': route(none).returns<null>(),
  'app.window': route(z.object({ action: z.enum(['minimize', 'maximize', 'close']) })).returns<null>(),
  'app.copy': route(z.object({ text: z.string().max(10_000_000) })).returns<null>(),

  'devices.list': route(none).returns<DeviceList>(),

  'model.state': route(none).returns<ModelState>(),
  'model.pick': route(none).returns<string | null>(),
  'model.inspect': route(
    z.object({ path, contextLength: z.int().positive().nullable().default(null) }),
  ).returns<Inspection>(),
  /**
   * Resolves when the model is loaded. Any failure is the result's error; the state is then 'failed' with the
   * same error, or stays 'loaded' if the new file was refused before the model in use was let go. Cancelled:
   * error CANCELLED, state 'none'. A second load while one runs: MODEL_BUSY, state untouched.
   */
  'model.load': route(z.object({ path, settings: LoadSettingsPatch.optional() })).returns<ModelState>(),
  'model.cancelLoad': route(none).returns<null>(),
  'model.unload': route(none).returns<null>(),
  'model.reveal': route(z.object({ path })).returns<null>(),
  'model.recents': route(none).returns<RecentModel[]>(),
  'model.forget': route(z.object({ path })).returns<RecentModel[]>(),

  'settings.chat': route(ChatSettingsPatch).returns<ChatSettings>(),
  'settings.load': route(LoadSettingsPatch).returns<LoadSettings>(),

  'chat.list': route(none).returns<ConversationSummary[]>(),
  'chat.create': route(none).returns<Conversation>(),
  'chat.get': route(z.object({ id })).returns<Conversation>(),
  'chat.delete': route(z.object({ id })).returns<null>(),
  /**
   * Adds the user's message and an assistant message that streams; generation starts at once, or as soon as
   * the model that is being loaded is there. NO_MODEL and SESSION_BUSY add nothing.
   */
  'chat.send': route(z.object({ id, text: z.string().min(1).max(4_000_000) })).returns<{
    user: Message
    assistant: Message
  }>(),
  /** Keeps what is being typed, so that it outlives the page; a sent message is no draft any more. */
  'chat.draft': route(z.object({ id, text: z.string().max(100_000_000) })).returns<null>(),
  'chat.stop': route(z.object({ id })).returns<null>(),
  'chat.usage': route(z.object({ id, draft: z.string().max(4_000_000) })).returns<ContextUsage | null>(),
  /** Asks main for a MessagePort with the frames from `fromSeq` on; it arrives as a window message (preload). */
  'stream.attach': route(z.object({ streamId: id, fromSeq: z.int().min(0) })).returns<null>(),

  'haiku.run': route(none).returns<HaikuResult>(),
  'haiku.stop': route(none).returns<null>(),
} as const

export type RouteName = keyof typeof ROUTES
export type RouteInput<R extends RouteName> = z.input<(typeof ROUTES)[R]['input']>
export type RouteParsed<R extends RouteName> = z.output<(typeof ROUTES)[R]['input']>
export type RouteOutput<R extends RouteName> = (typeof ROUTES)[R] extends { output?: infer T }
  ? Exclude<T, undefined>
  : never

function route<I extends z.ZodType>(input: I) {
  return { returns: <O>(): { input: I; output?: O } => ({ input }) }
}
