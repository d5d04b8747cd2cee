/** The methods of marked text: what they give is marked too, and what they are given is escaped. */
import type { Arguments } from './arguments.ts'
import { unescape } from './html-entities.ts'
import { escape } from './print.ts'
import { joinTexts, TEXT_METHODS, type TextMethod } from './text-methods.ts'
import { words } from './text.ts'
import { each, Markup, Tuple, type Value } from './values.ts'

/** Names that keep the mark. */
export const MARKED = new Set(
  (
    'capitalize casefold center expandtabs ljust lower lstrip partition removeprefix removesuffix replace rjust ' +
    'rpartition rsplit rstrip split splitlines strip swapcase title translate upper zfill'
  ).split(' '),
)
/** Where one of the arguments goes into the result. */
const ESCAPED: Record<string, number> = { center: 1, ljust: 1, rjust: 1, replace: 1 }

function mark(value: Value): Value {
  if (typeof value === 'string') return new Markup(value)
  if (Array.isArray(value)) return value.map(mark)
  return value instanceof Tuple ? new Tuple(value.items.map(mark)) : value
}

function markedMethod(name: string, { signature, call }: TextMethod): TextMethod {
  const at = Object.hasOwn(ESCAPED, name) ? (ESCAPED[name] as number) : -1
  return {
    signature,
    call(text, args) {
      const given: Arguments = args.map((arg, i) => (i === at && arg !== undefined ? escape(arg) : arg))
      return mark(call(text, given))
    },
  }
}

/** Without tags and comments, its spaces collapsed, its entities resolved. */
export function stripTags(source: string): string {
  let text = ''
  let at = 0
  for (;;) {
    const start = source.indexOf('<', at)
    if (start === -1) break
    const comment = source.startsWith('<!--', start)
    const end = comment ? source.indexOf('-->', start + 4) : source.indexOf('>', start)
    if (end === -1) break
    text += source.slice(at, start)
    at = end + (comment ? 3 : 1)
  }
  return unescape(words(text + source.slice(at)).join(' '))
}

export const MARKUP_METHODS = new Map<string, TextMethod>([
  ...[...TEXT_METHODS].map(([name, method]): [string, TextMethod] => [
    name,
    MARKED.has(name) ? markedMethod(name, method) : method,
  ]),
  [
    'join',
    {
      signature: 'iterable /',
      call: (text, [values]) =>
        new Markup(
          joinTexts(
            text,
            [...each(values as Value)].map((item) => escape(item)),
          ),
        ),
    },
  ],
  ['striptags', { signature: '', call: stripTags }],
  ['unescape', { signature: '', call: unescape }],
  ['escape', { signature: 's', call: (_, [value]) => escape(value as Value) }],
])
