/** Macros: what a call gives them, by place and by name. */
import { typeError } from './errors.ts'
import { repr } from './print.ts'
import { Callable, Dict, Markup, Tuple, Undefined, type Keywords, type Value } from './values.ts'

export interface MacroShape {
  /** null: the body of a call block. */
  name: string | null
  parameters: readonly string[]
  catchesKeywords: boolean
  catchesMore: boolean
  usesCaller: boolean
}

/** `run` gets a value or undefined for each parameter, then caller, kwargs and varargs where the body uses them. */
export function makeMacro(
  shape: MacroShape,
  run: (values: (Value | undefined)[]) => string,
  autoescape: () => boolean,
): Callable {
  const call = (args: readonly Value[], keywords: Keywords): Value => {
    const text = run(bindMacro(shape, args, new Map(keywords)))
    return autoescape() ? new Markup(text) : text
  }
  const attributes: Record<string, () => Value> = {
    name: () => shape.name,
    arguments: () => new Tuple(shape.parameters),
    catch_kwargs: () => shape.catchesKeywords,
    catch_varargs: () => shape.catchesMore,
    caller: () => shape.usesCaller,
    explicit_caller: () => shape.parameters.includes('caller'),
  }
  const label = shape.name === null ? '<Macro anonymous>' : `<Macro ${repr(shape.name)}>`
  return new Callable(label, call, (name) =>
    Object.hasOwn(attributes, name) ? attributes[name]?.() : undefined,
  )
}

function bindMacro(
  { name, parameters, catchesKeywords, catchesMore, usesCaller }: MacroShape,
  args: readonly Value[],
  keywords: Map<string, Value>,
): (Value | undefined)[] {
  const take = (key: string): Value | undefined => {
    const value = keywords.get(key)
    keywords.delete(key)
    return value
  }
  const values: (Value | undefined)[] = args.slice(0, parameters.length)
  let foundCaller = values.length === parameters.length && parameters.includes('caller')
  for (const parameter of parameters.slice(values.length)) {
    values.push(take(parameter))
    if (parameter === 'caller') foundCaller = true
  }
  if (usesCaller && !foundCaller) values.push(take('caller') ?? new Undefined('No caller defined'))
  const words = `macro ${name === null ? 'None' : repr(name)}`
  if (catchesKeywords) values.push(new Dict(keywords))
  else if (keywords.size > 0) {
    if (keywords.has('caller'))
      throw typeError(`${words} was invoked with two values for the special caller argument.`)
    throw typeError(`${words} takes no keyword argument ${repr([...keywords.keys()][0] as string)}`)
  }
  if (catchesMore) values.push(new Tuple(args.slice(parameters.length)))
  else if (args.length > parameters.length)
    throw typeError(`${words} takes not more than ${parameters.length} argument(s)`)
  return values
}
