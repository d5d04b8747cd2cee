/** Filters of sequences. Most give what can be gone through once, and do their work then. */
import { getItem } from './access.ts'
import { attributeGetter, attributesGetter, ignoreCase, type Getter } from './attribute-getter.ts'
import { isKind, TemplateError, typeError } from './errors.ts'
import { filter, type Environment, type Filter } from './filter.ts'
import { toIndex } from './numbers.ts'
import { binary, compare, equal, lessThan } from './operators.ts'
import {
  Dict,
  DictView,
  each,
  Generator,
  isInteger,
  isText,
  iterator,
  length,
  listOf,
  Markup,
  Range,
  textOf,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Keywords,
  type Value,
} from './values.ts'

const generator = (name: string, iterator: Iterator<Value>): Generator =>
  new Generator(`<generator object ${name}>`, iterator)

const postprocess = (caseSensitive: Value | undefined): Getter | undefined =>
  caseSensitive !== undefined && truth(caseSensitive) ? undefined : ignoreCase

/** sorted(items, key=…, reverse=…). */
function sortBy<T extends Value>(items: T[], key: (item: T) => Value, reverse: Value): T[] {
  if (!isInteger(reverse))
    throw typeError(`'${typeName(reverse)}' object cannot be interpreted as an integer`)
  const keyed = items.map((item) => ({ item, key: key(item) }))
  const down = truth(reverse)
  keyed.sort((a, b) => {
    const [low, high] = down ? [b, a] : [a, b]
    return lessThan(low.key, high.key) ? -1 : lessThan(high.key, low.key) ? 1 : 0
  })
  return keyed.map(({ item }) => item)
}

function dictSort(value: Value, caseSensitive: Value, by: Value, reverse: Value): Value {
  const position = equal(by, 'key') ? 0 : equal(by, 'value') ? 1 : undefined
  if (position === undefined)
    throw new TemplateError('FilterArgumentError', 'You can only sort by either "key" or "value"')
  if (value instanceof Undefined) throw value.fail()
  if (!(value instanceof Dict))
    throw new TemplateError('AttributeError', `'${typeName(value)}' object has no attribute 'items'`)
  const pairs = [...value.entries()].map((pair) => new Tuple(pair))
  const after = truth(caseSensitive) ? (item: Value): Value => item : ignoreCase
  return sortBy(pairs, (pair) => after(pair.items[position] as Value), reverse)
}

function* unique(value: Value, key: Getter): Iterator<Value> {
  const seen = new Dict()
  for (const item of each(value)) {
    const mark = key(item)
    if (seen.has(mark)) continue
    seen.set(mark, null)
    yield item
  }
}

function extreme(value: Value, key: Getter, operator: '<' | '>'): Value {
  let best: { item: Value; key: Value } | undefined
  for (const item of each(value)) {
    const own = key(item)
    if (best === undefined || compare(operator, own, best.key)) best = { item, key: own }
  }
  return best === undefined ? new Undefined('No aggregated item, sequence was empty.') : best.item
}

function* batch(value: Value, count: Value, fill: Value): Iterator<Value> {
  let row: Value[] = []
  for (const item of each(value)) {
    if (equal(BigInt(row.length), count)) {
      yield row
      row = []
    }
    row.push(item)
  }
  if (row.length === 0) return
  if (fill !== null && compare('<', BigInt(row.length), count)) {
    const missing = toIndex(binary('-', count, BigInt(row.length)))
    row.push(...Array.from({ length: missing }, () => fill))
  }
  yield row
}

function* sliceInto(value: Value, slices: Value, fill: Value): Iterator<Value> {
  const items = listOf(value)
  const size = toIndex(binary('//', BigInt(items.length), slices))
  const withExtra = toIndex(binary('%', BigInt(items.length), slices))
  let offset = 0
  for (let i = 0; i < toIndex(slices); i++) {
    const start = offset + i * size
    if (i < withExtra) offset++
    const part = items.slice(start, offset + (i + 1) * size)
    if (fill !== null && i >= withExtra) part.push(fill)
    yield part
  }
}

function groupBy(value: Value, attribute: Value, standard: Value, caseSensitive: boolean): Value {
  const key = attributeGetter(attribute, caseSensitive ? undefined : ignoreCase, standard)
  const plain = attributeGetter(attribute, undefined, standard)
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sortBy(listOf(value), key, false)) {
    const own = key(item)
    const last = groups.at(-1)
    if (last && equal(last.key, own)) last.items.push(item)
    else groups.push({ key: own, items: [item] })
  }
  return groups.map(({ key: own, items }) => {
    const grouper = caseSensitive ? own : plain(items[0] as Value)
    return new Tuple([grouper, items], ['grouper', 'list'])
  })
}

function sum(value: Value, attribute: Value, start: Value): Value {
  const get = attributeGetter(attribute)
  const items = iterator(value)
  if (isText(start)) throw typeError("sum() can't sum strings [use ''.join(seq) instead]")
  let total: Value = start
  for (let step = items.next(); !step.done; step = items.next()) total = binary('+', total, get(step.value))
  return total
}

/** reversed(value), or a list the other way round. */
function reverse(value: Value): Value {
  if (isText(value)) return binaryReverse(value)
  if (Array.isArray(value)) return backwards('list_reverseiterator', value)
  if (value instanceof Tuple) return backwards('reversed', value.items)
  if (value instanceof Range) return backwards('range_iterator', [...value.items()])
  if (value instanceof Dict) return backwards('dict_reversekeyiterator', listOf(value))
  if (value instanceof DictView)
    return backwards(`dict_reverse${value.kind.slice(5, -1)}iterator`, [...value.items()])
  if (value instanceof Undefined) return backwards('reversed', [])
  try {
    return listOf(value).reverse()
  } catch (error) {
    if (isKind(error, 'TypeError'))
      throw new TemplateError('FilterArgumentError', 'argument must be iterable')
    throw error
  }
}

function binaryReverse(value: Value): Value {
  const text = textOf(value as string)
  const reversed = [...text].reverse().join('')
  return typeof value === 'string' ? reversed : new Markup(reversed)
}

function backwards(label: string, items: readonly Value[]): Generator {
  return new Generator(`<${label} object>`, [...items].reverse()[Symbol.iterator]())
}

function first(value: Value): Value {
  const step = iterator(value).next()
  return step.done ? new Undefined('No first item, sequence was empty.') : step.value
}

function last(value: Value): Value {
  const reversed = isText(value) ? [...textOf(value)].reverse() : reverse(value)
  if (Array.isArray(reversed) && !isText(value))
    throw typeError(`'${typeName(value)}' object is not reversible`)
  const step = iterator(reversed).next()
  return step.done ? new Undefined('No last item, sequence was empty.') : step.value
}

function anyOf(value: Value, chance: number): Value {
  const size = length(value)
  if (size === 0) return new Undefined('No random item, sequence was empty.')
  const index = BigInt(Math.floor(chance * size))
  // A dictionary may have the number as a key; else it is no sequence.
  const item = getItem(value, index)
  if (item instanceof Undefined) throw typeError(`'${typeName(value)}' object is not a sequence`)
  return item
}

function* items(value: Value): Iterator<Value> {
  if (value instanceof Undefined) return
  if (!(value instanceof Dict)) throw typeError('Can only get item pairs from a mapping.')
  yield* new DictView('dict_items', value).items()
}

/** map(attribute=…), or map('filter', …). */
function* map(
  environment: Environment,
  value: Value,
  args: readonly Value[],
  keywords: Keywords,
): Iterator<Value> {
  if (!truth(value)) return
  const transform = mapping(environment, args, keywords)
  for (const item of each(value)) yield transform(item)
}

function mapping(environment: Environment, args: readonly Value[], keywords: Keywords): Getter {
  const attribute = keywords.get('attribute')
  if (args.length === 0 && attribute !== undefined) {
    const unknown = [...keywords.keys()].find((name) => name !== 'attribute' && name !== 'default')
    if (unknown !== undefined)
      throw new TemplateError('FilterArgumentError', `Unexpected keyword argument '${unknown}'`)
    return attributeGetter(attribute, undefined, keywords.get('default') ?? null)
  }
  const [name, ...rest] = args
  if (name === undefined) throw new TemplateError('FilterArgumentError', 'map requires a filter argument')
  return (item) => environment.callFilter(name, item, rest, keywords)
}

/** select, reject, and the same by an attribute. */
function choose(wanted: boolean, byAttribute: boolean): Filter {
  function* chosen(
    environment: Environment,
    value: Value,
    args: readonly Value[],
    keywords: Keywords,
  ): Iterator<Value> {
    if (!truth(value)) return
    const accepts = chooser(environment, args, keywords)
    for (const item of each(value)) if (accepts(item) === wanted) yield item
  }
  const chooser = (
    environment: Environment,
    args: readonly Value[],
    keywords: Keywords,
  ): ((item: Value) => boolean) => {
    if (byAttribute && args.length === 0)
      throw new TemplateError('FilterArgumentError', 'Missing parameter for attribute name')
    const get = byAttribute ? attributeGetter(args[0] as Value) : (item: Value): Value => item
    const [test, ...rest] = byAttribute ? args.slice(1) : args
    return (item) =>
      test === undefined ? truth(get(item)) : environment.callTest(test, get(item), rest, keywords)
  }
  return {
    contextual: true,
    call: (environment, value, args, keywords) =>
      generator('select_or_reject', chosen(environment, value, args, keywords)),
  }
}

export const SEQUENCE_FILTERS: [string, Filter][] = [
  filter('list', '', (value) => listOf(value)),
  filter('first', '', first),
  filter('last', '', last),
  filter('items', '', (value) => generator('do_items', items(value))),
  filter('reverse', '', reverse),
  filter(
    'sort',
    'reverse? case_sensitive? attribute?',
    (value, [down = false, caseSensitive = false, attribute = null]) =>
      sortBy(
        listOf(value),
        attributesGetter(attribute, postprocess(caseSensitive) ?? ((item) => item)),
        down,
      ),
  ),
  filter(
    'dictsort',
    'case_sensitive? by? reverse?',
    (value, [caseSensitive = false, by = 'key', down = false]) => dictSort(value, caseSensitive, by, down),
  ),
  filter('unique', 'case_sensitive? attribute?', (value, [caseSensitive, attribute = null]) =>
    generator('sync_do_unique', unique(value, attributeGetter(attribute, postprocess(caseSensitive)))),
  ),
  filter('min', 'case_sensitive? attribute?', (value, [caseSensitive, attribute = null]) =>
    extreme(value, attributeGetter(attribute, postprocess(caseSensitive)), '<'),
  ),
  filter('max', 'case_sensitive? attribute?', (value, [caseSensitive, attribute = null]) =>
    extreme(value, attributeGetter(attribute, postprocess(caseSensitive)), '>'),
  ),
  filter('batch', 'linecount fill_with?', (value, [count = null, fill = null]) =>
    generator('do_batch', batch(value, count, fill)),
  ),
  filter('slice', 'slices fill_with?', (value, [slices = null, fill = null]) =>
    generator('sync_do_slice', sliceInto(value, slices, fill)),
  ),
  filter(
    'groupby',
    'attribute default? case_sensitive?',
    (value, [attribute = null, standard = null, caseSensitive = false]) =>
      groupBy(value, attribute, standard, truth(caseSensitive)),
  ),
  filter('sum', 'attribute? start?', (value, [attribute = null, start = 0n]) => sum(value, attribute, start)),
  ['map', { contextual: true, call: (...given) => generator('sync_do_map', map(...given)) }],
  ['select', choose(true, false)],
  ['reject', choose(false, false)],
  ['selectattr', choose(true, true)],
  ['rejectattr', choose(false, true)],
  ['random', { contextual: true, call: (environment, value) => anyOf(value, environment.random()) }],
]
