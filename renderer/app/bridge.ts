import type { ErrorData } from '../../contract/errors.ts'
import type { KigoBridge, Result } from '../../contract/ipc.ts'
import type { RouteInput, RouteName, RouteOutput } from '../../contract/routes.ts'

declare global {
  interface Window {
    readonly kigo: KigoBridge
  }
}

/** Routes that take nothing can be asked without an input. */
type Input<R extends RouteName> =
  undefined extends RouteInput<R> ? [input?: RouteInput<R>] : [input: RouteInput<R>]

export function request<R extends RouteName>(route: R, ...input: Input<R>): Promise<Result<RouteOutput<R>>> {
  return window.kigo.request(route, input[0] as RouteInput<R>)
}

/** A request that failed, for code that has nothing to say about it itself. */
export class RequestError extends Error {
  readonly data: ErrorData
  constructor(data: ErrorData) {
    super(data.message)
    this.data = data
  }
}

/** The data, or a RequestError. */
export async function ask<R extends RouteName>(route: R, ...input: Input<R>): Promise<RouteOutput<R>> {
  const result = await request(route, ...input)
  if (!result.ok) throw new RequestError(result.error)
  return result.data
}
