/**
 * Chat templates as Python's Jinja2 renders them: Jinja2 3.1 in the set-up of the transformers library, with
 * trim_blocks, lstrip_blocks, break and continue, {% generation %}, a tojson that keeps what is not ASCII,
 * strftime_now() and raise_exception(), in a sandbox whose values cannot be changed.
 */
import { compile, type Render } from './compile.ts'
import { TemplateError } from './errors.ts'
import { makeGlobals } from './globals.ts'
import { parse } from './parser.ts'
import { Runtime, Variables } from './runtime.ts'
import { Dict, type Value } from './values.ts'

export { TemplateError, TemplateRaised } from './errors.ts'

export interface Template {
  /** `context`: plain JSON data; `now`: local time for strftime_now(). */
  render(context: Readonly<Record<string, unknown>>, now: Date): string
}

/** Throws TemplateError for what is no template; rendering throws it too, or TemplateRaised. */
export function compileTemplate(source: string): Template {
  const run: Render = guarded(undefined, () => compile(parse(source)))
  return {
    render(context, now) {
      const runtime = new Runtime()
      const given = Object.entries(context).map(([name, value]): [string, Value] => [name, fromJson(value)])
      return guarded(runtime, () => run(runtime, new Variables(new Map([...makeGlobals(now), ...given]))))
    },
  }
}

/** Gives every error of a template the line that it is on. */
function guarded<T>(runtime: Runtime | undefined, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TemplateError) {
      error.line ??= runtime?.line
      throw error
    }
    // V8 says so when the stack is full, or a text or a number would be longer than any may be.
    if (error instanceof RangeError)
      throw new TemplateError('RecursionError', 'too deep or too large', runtime?.line)
    throw error
  }
}

/** JSON data as Python reads it. */
export function fromJson(value: unknown): Value {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} is no data for a template`)
  return new Dict(Object.entries(value).map(([key, item]) => [key, fromJson(item)] as const))
}
