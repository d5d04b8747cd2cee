/**
 * The one way in from the page: a request is checked for its sender, parsed, and handed to its handler; the
 * answer is always a Result. Nothing throws through IPC. No Electron: tested under Node.
 */
import { z } from 'zod'
import { KigoError } from '../../contract/errors.ts'
import type { Result } from '../../contract/ipc.ts'
import { ROUTES, type RouteName, type RouteOutput, type RouteParsed } from '../../contract/routes.ts'

export type Handler<R extends RouteName, Sender> = (
  input: RouteParsed<R>,
  sender: Sender,
) => RouteOutput<R> | Promise<RouteOutput<R>>

/** One handler for each of the routes `R`: each domain's file makes its own part. */
export type Handlers<R extends RouteName, Sender = unknown> = { [N in R]: Handler<N, Sender> }

/** The routes of one domain: `model` → `model.load`, `model.unload`… */
export type RoutesOf<Domain extends string> = Extract<RouteName, `${Domain}.${string}`>

export interface RouterOptions<Sender> {
  handlers: Handlers<RouteName, Sender>
  /** Does the request come from the app's own page? Asked first. */
  isTrusted: (sender: Sender) => boolean
  /** Throws unless the page may name this file. Asked for the `path` of every input that has one. */
  checkPath: (path: string) => void
  /** Told of every refused request and of every failure that was not expected. */
  onProblem: (error: KigoError) => void
}

export type Dispatch<Sender> = (sender: Sender, message: unknown) => Promise<Result<unknown>>

export function createRouter<Sender>(options: RouterOptions<Sender>): Dispatch<Sender> {
  return async (sender, message) => {
    try {
      if (!options.isTrusted(sender)) throw new KigoError('FORBIDDEN')
      const { route, input } = parseRequest(message)
      const path = pathOf(input)
      if (path !== null) options.checkPath(path)
      const handler = options.handlers[route] as (input: unknown, sender: Sender) => unknown
      return { ok: true, data: await handler(input, sender) }
    } catch (thrown) {
      const error = KigoError.from(thrown)
      if (error.code === 'FORBIDDEN' || error.code === 'INTERNAL' || error.code === 'INVALID_INPUT')
        options.onProblem(error)
      return { ok: false, error: plain(error) }
    }
  }
}

/** A page that is wrong in everything needs no longer list. */
const MOST_ISSUES = 10

const Request = z.object({ route: z.string(), input: z.unknown() })

/** The known route and its parsed input, or INVALID_INPUT that names what is wrong. */
function parseRequest(message: unknown): { route: RouteName; input: unknown } {
  const request = Request.safeParse(message)
  if (!request.success) throw new KigoError('INVALID_INPUT', 'A request is {route, input}.')
  const { route } = request.data
  if (!isRoute(route)) {
    throw new KigoError('INVALID_INPUT', 'There is no such request.', {
      data: { route: route.slice(0, 100) },
    })
  }
  const input = ROUTES[route].input.safeParse(request.data.input)
  if (!input.success) {
    const issues = input.error.issues
      .slice(0, MOST_ISSUES)
      .map(({ path, message: text }) => ({ path: path.join('.'), message: text }))
    const { path, message: text } = issues[0]!
    const where = path ? `${route}: ${path}` : route
    throw new KigoError('INVALID_INPUT', `${where}: ${text}.`, { data: { route, issues } })
  }
  return { route, input: input.data }
}

/** Routes name a file by `path` and by nothing else. */
function pathOf(input: unknown): string | null {
  return typeof input === 'object' && input !== null && 'path' in input ? String(input.path) : null
}

function isRoute(name: string): name is RouteName {
  return Object.hasOwn(ROUTES, name)
}

/** What crosses must be plain data, also where an error carried something that cannot be cloned. */
function plain(error: KigoError): ReturnType<KigoError['toData']> {
  const { data, ...rest } = error.toData()
  try {
    return { ...rest, data: data && JSON.parse(JSON.stringify(data)) }
  } catch {
    return { ...rest, data: undefined }
  }
}
