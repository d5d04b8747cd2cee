/** Filters of single values: numbers, defaults, JSON. */
import { getAttribute, getOwnAttribute } from './access.ts'
import { isKind, TemplateError, typeError } from './errors.ts'
import { filter, type Filter } from './filter.ts'
import { toJson } from './json.ts'
import { float, int, parseInteger, round, toBig, toIndex, truncated } from './numbers.ts'
import { binary } from './operators.ts'
import { prettyPrint } from './pretty-print.ts'
import {
  isInteger,
  isNumber,
  isText,
  length,
  textOf,
  truth,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

function absolute(value: Value): Value {
  if (typeof value === 'number') return Math.abs(value)
  if (!isInteger(value)) throw typeError(`bad operand type for abs(): '${typeName(value)}'`)
  const big = toBig(value)
  return big < 0n ? -big : big
}

function toInt(value: Value, standard: Value, base: Value): Value {
  try {
    return isText(value) ? parseInteger(textOf(value), toIndex(base)) : int(value)
  } catch (error) {
    if (!isKind(error, 'TypeError', 'ValueError')) throw error
  }
  try {
    return truncated(float(value))
  } catch (error) {
    if (isKind(error, 'TypeError', 'ValueError', 'OverflowError')) return standard
    throw error
  }
}

function toFloatOr(value: Value, standard: Value): Value {
  try {
    return float(value)
  } catch (error) {
    if (isKind(error, 'TypeError', 'ValueError')) return standard
    throw error
  }
}

function rounded(value: Value, precision: Value, method: Value): Value {
  const name = isText(method) ? textOf(method) : ''
  if (name !== 'common' && name !== 'ceil' && name !== 'floor')
    throw new TemplateError('FilterArgumentError', 'method must be common, ceil or floor')
  if (name === 'common') {
    if (!isNumber(value)) throw typeError(`type ${typeName(value)} doesn't define __round__ method`)
    return round(value, precision === null ? null : toIndex(precision))
  }
  const unit = binary('**', 10n, precision)
  const scaled = binary('*', value, unit)
  if (!isNumber(scaled)) throw typeError(`must be real number, not ${typeName(scaled)}`)
  const whole = typeof scaled === 'number' ? truncated(Math[name](scaled)) : toBig(scaled)
  return binary('/', whole, unit)
}

function attr(value: Value, name: Value): Value {
  if (!isText(name)) throw typeError('attribute name must be string')
  const key = textOf(name)
  if (value instanceof Undefined && !/^__.*__$/.test(key)) throw value.fail()
  const own = getOwnAttribute(value, key)
  return own instanceof Undefined ? own : getAttribute(value, key)
}

const standard = (name: string): [string, Filter] =>
  filter(name, 'default_value? boolean?', (value, [instead = '', boolean = false]) =>
    value instanceof Undefined || (truth(boolean) && !truth(value)) ? instead : value,
  )

export const VALUE_FILTERS: [string, Filter][] = [
  filter('abs', '/', absolute),
  filter('length', '/', (value) => BigInt(length(value))),
  filter('count', '/', (value) => BigInt(length(value))),
  standard('default'),
  standard('d'),
  filter('int', 'default? base?', (value, [instead = 0n, base = 10n]) => toInt(value, instead, base)),
  filter('float', 'default?', (value, [instead = 0.0]) => toFloatOr(value, instead)),
  filter('round', 'precision? method?', (value, [precision = 0n, method = 'common']) =>
    rounded(value, precision, method),
  ),
  filter('attr', 'name', (value, [name = null]) => attr(value, name)),
  filter('pprint', '', prettyPrint),
  filter(
    'tojson',
    'ensure_ascii? indent? separators? sort_keys?',
    (value, [asciiOnly = false, indent = null, separators = null, sortKeys = false]) =>
      toJson(value, { asciiOnly: truth(asciiOnly), indent, separators, sortKeys: truth(sortKeys) }),
  ),
]
