/** What every template finds by name: Jinja2's globals, and those of the transformers library. */
import { bind } from './arguments.ts'
import { makeDict } from './collection-methods.ts'
import { TemplateError, TemplateRaised, typeError, valueError } from './errors.ts'
import { toBig } from './numbers.ts'
import { str } from './print.ts'
import { strftime } from './strftime.ts'
import {
  Callable,
  isInteger,
  isText,
  Namespace,
  Opaque,
  Range,
  textOf,
  Tuple,
  typeName,
  type Keywords,
  type Value,
} from './values.ts'

const MAX_RANGE = 100_000

function range(args: readonly Value[]): Value {
  const numbers = args.map((value) => {
    if (!isInteger(value)) throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`)
    return toBig(value)
  })
  if (numbers.length === 0 || numbers.length > 3)
    throw typeError(`range expected 1 to 3 arguments, got ${numbers.length}`)
  const [start, stop, step] =
    numbers.length === 1 ? [0n, numbers[0], 1n] : [numbers[0], numbers[1], numbers[2] ?? 1n]
  if (step === 0n) throw valueError('range() arg 3 must not be zero')
  const result = new Range(start as bigint, stop as bigint, step as bigint)
  if (result.length > MAX_RANGE)
    throw new TemplateError(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    )
  return result
}

function cycler(items: readonly Value[]): Value {
  if (items.length === 0) throw new TemplateError('RuntimeError', 'at least one item has to be provided')
  let at = 0
  const current = (): Value => items[at] as Value
  const next = new Callable('<bound method Cycler.next>', (args, keywords) => {
    bind('next', '', args, keywords)
    const item = current()
    at = (at + 1) % items.length
    return item
  })
  const reset = new Callable('<bound method Cycler.reset>', (args, keywords) => {
    bind('reset', '', args, keywords)
    at = 0
    return null
  })
  const attributes: Record<string, () => Value> = {
    current,
    next: () => next,
    reset: () => reset,
    items: () => new Tuple(items),
    pos: () => BigInt(at),
  }
  return new Opaque({
    type: 'Cycler',
    print: () => '<jinja2.utils.Cycler object>',
    attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name]?.() : undefined),
  })
}

function joiner(args: readonly Value[], keywords: Keywords): Value {
  const [separator = ', '] = bind('joiner', 'sep?', args, keywords)
  let used = false
  return new Opaque({
    type: 'Joiner',
    print: () => '<jinja2.utils.Joiner object>',
    attribute: (name) => (name === 'sep' ? separator : name === 'used' ? used : undefined),
    call(given, named) {
      bind('joiner', '', given, named)
      if (used) return separator
      used = true
      return ''
    },
  })
}

function noKeywords(name: string, call: (args: readonly Value[]) => Value): Callable['call'] {
  return (args, keywords) => {
    if (keywords.size > 0) throw typeError(`${name}() takes no keyword arguments`)
    return call(args)
  }
}

/** `now`: what strftime_now() tells. */
export function makeGlobals(now: Date): Map<string, Value> {
  return new Map<string, Value>([
    ['range', new Callable('<function safe_range>', noKeywords('range', range))],
    ['dict', new Callable("<class 'dict'>", makeDict)],
    [
      'namespace',
      new Callable(
        "<class 'jinja2.utils.Namespace'>",
        (args, keywords) => new Namespace(makeDict(args, keywords)),
      ),
    ],
    ['cycler', new Callable("<class 'jinja2.utils.Cycler'>", noKeywords('cycler', cycler))],
    ['joiner', new Callable("<class 'jinja2.utils.Joiner'>", joiner)],
    [
      'lipsum',
      new Callable('<function generate_lorem_ipsum>', () => {
        throw valueError("a prompt does not depend on chance: 'lipsum' is refused")
      }),
    ],
    [
      'raise_exception',
      new Callable('<function raise_exception>', (args, keywords) => {
        const [message] = bind('raise_exception', 'message', args, keywords)
        throw new TemplateRaised(str(message as Value))
      }),
    ],
    [
      'strftime_now',
      new Callable('<function strftime_now>', (args, keywords) => {
        const [format] = bind('strftime_now', 'format', args, keywords)
        if (!isText(format as Value))
          throw typeError(`strftime() argument 1 must be str, not ${typeName(format as Value)}`)
        return strftime(now, textOf(format as string))
      }),
    ],
  ])
}
