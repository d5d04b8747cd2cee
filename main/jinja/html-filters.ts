/** Filters that mark, escape and link text for HTML and addresses. */
import { FILTER_URLIZE } from './urlize.ts'
import { TemplateError, typeError, valueError } from './errors.ts'
import { filter, type Filter } from './filter.ts'
import { stripTags } from './markup-methods.ts'
import { escape, repr, str } from './print.ts'
import {
  Dict,
  each,
  isText,
  iteratorOf,
  Markup,
  textOf,
  truth,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** Python's quote(): what may stand in a path, or in a query, where a space becomes a plus. */
function quoteUrl(value: Value, query: boolean): string {
  const bytes = new TextEncoder().encode(str(value))
  let quoted = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    if (/[A-Za-z0-9_.~-]/.test(character) || (character === '/' && !query)) quoted += character
    else quoted += query && character === ' ' ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return quoted
}

function urlEncode(value: Value): string {
  if (isText(value) || iteratorOf(value) === undefined) return quoteUrl(value, false)
  const pairs = value instanceof Dict ? [...value.entries()] : [...each(value)].map(pairOf)
  return pairs.map(([key, item]) => `${quoteUrl(key, true)}=${quoteUrl(item, true)}`).join('&')
}

function pairOf(value: Value): [Value, Value] {
  const [key, item, ...more] = each(value)
  if (key === undefined || item === undefined || more.length > 0) throw valueError('a pair is needed')
  return [key, item]
}

function xmlAttributes(value: Value, space: boolean): string {
  if (value instanceof Undefined) throw value.fail()
  if (!(value instanceof Dict))
    throw new TemplateError('AttributeError', `'${typeName(value)}' object has no attribute 'items'`)
  const items: string[] = []
  for (const [key, item] of value.entries()) {
    if (item === null || item instanceof Undefined) continue
    if (!isText(key)) throw typeError(`expected string, got ${typeName(key)}`)
    if (/[ \t-\r/>=]/.test(textOf(key))) throw valueError(`Invalid character in attribute name: ${repr(key)}`)
    items.push(`${escape(key).text}="${escape(item).text}"`)
  }
  return (space && items.length > 0 ? ' ' : '') + items.join(' ')
}

export const HTML_FILTERS: [string, Filter][] = [
  filter('e', '/', escape),
  filter('escape', '/', escape),
  filter('forceescape', '', (value) => escape(str(value))),
  filter('safe', '', (value) => (value instanceof Markup ? value : new Markup(str(value)))),
  filter('striptags', '', (value) => stripTags(str(value))),
  filter('urlencode', '', urlEncode),
  filter('xmlattr', 'autospace?', (value, [space = true], { autoescape }) => {
    const text = xmlAttributes(value, truth(space))
    return autoescape ? new Markup(text) : text
  }),
  FILTER_URLIZE,
]
