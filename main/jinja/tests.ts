/** Jinja2's tests: what stands behind `is`. */
import { isCallable } from './access.ts'
import { bind, type Arguments } from './arguments.ts'
import { FILTER_NAMES } from './filters.ts'
import type { Environment, Test } from './filter.ts'
import { binary, compare, contains, equal, type CompareOperator } from './operators.ts'
import { str } from './print.ts'
import { TEXT_METHODS } from './text-methods.ts'
import {
  Dict,
  DictView,
  hashable,
  isNumber,
  isText,
  iteratorOf,
  Markup,
  Opaque,
  sizeOf,
  textOf,
  Undefined,
  type Value,
} from './values.ts'

function test(
  name: string,
  signature: string,
  call: (value: Value, args: Arguments, environment: Environment) => boolean,
): [string, Test] {
  return [
    name,
    (environment, value, args, keywords) => call(value, bind(name, signature, args, keywords), environment),
  ]
}

const compared = (name: string, operator: CompareOperator): [string, Test] =>
  test(name, 'other /', (value, [other]) => compare(operator, value, other as Value))

const rest = (value: Value, divisor: Value): Value => binary('%', value, divisor)

/** The same object; of numbers and text, as far as Python keeps one object for them. */
function same(value: Value, other: Value): boolean {
  if (Number.isNaN(value) && Number.isNaN(other)) return false
  return value === other
}

function caseOf(value: Value, method: 'islower' | 'isupper'): boolean {
  return TEXT_METHODS.get(method)?.call(str(value), []) === true
}

function named(value: Value, names: ReadonlySet<string>): boolean {
  hashable(value)
  return isText(value) && names.has(textOf(value))
}

const ALL: [string, Test][] = [
  test('odd', '', (value) => equal(rest(value, 2n), 1n)),
  test('even', '', (value) => equal(rest(value, 2n), 0n)),
  test('divisibleby', 'num', (value, [divisor]) => equal(rest(value, divisor as Value), 0n)),
  test('defined', '', (value) => !(value instanceof Undefined)),
  test('undefined', '', (value) => value instanceof Undefined),
  test('filter', '', (value) => named(value, FILTER_NAMES)),
  test('test', '', (value) => named(value, TEST_NAMES)),
  test('none', '', (value) => value === null),
  test('boolean', '', (value) => typeof value === 'boolean'),
  test('false', '', (value) => value === false),
  test('true', '', (value) => value === true),
  test('integer', '', (value) => typeof value === 'bigint'),
  test('float', '', (value) => typeof value === 'number'),
  test('lower', '', (value) => caseOf(value, 'islower')),
  test('upper', '', (value) => caseOf(value, 'isupper')),
  test('string', '', isText),
  test('mapping', '', (value) => value instanceof Dict),
  test('number', '', isNumber),
  test(
    'sequence',
    '',
    (value) => sizeOf(value) !== undefined && !(value instanceof DictView) && !(value instanceof Opaque),
  ),
  test('iterable', '', (value) => iteratorOf(value) !== undefined),
  test('callable', '/', isCallable),
  test('sameas', 'other', (value, [other]) => same(value, other as Value)),
  test('escaped', '', (value) => value instanceof Markup),
  test('in', 'seq', (value, [container]) => contains(container as Value, value)),
  compared('==', '=='),
  compared('eq', '=='),
  compared('equalto', '=='),
  compared('!=', '!='),
  compared('ne', '!='),
  compared('>', '>'),
  compared('gt', '>'),
  compared('greaterthan', '>'),
  compared('ge', '>='),
  compared('>=', '>='),
  compared('<', '<'),
  compared('lt', '<'),
  compared('lessthan', '<'),
  compared('<=', '<='),
  compared('le', '<='),
]

const TEST_NAMES = new Set(ALL.map(([name]) => name))

export const TESTS: ReadonlyMap<string, Test> = new Map(ALL)
