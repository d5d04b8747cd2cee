/** attribute='a.b.0' of the filters of sequences. */
import { getItem } from './access.ts'
import { int } from './numbers.ts'
import { TEXT_METHODS } from './text-methods.ts'
import { isText, textOf, Undefined, type Value } from './values.ts'

export type Getter = (item: Value) => Value

function parts(attribute: Value): Value[] {
  if (attribute === null) return []
  if (!isText(attribute)) return [attribute]
  return textOf(attribute)
    .split('.')
    .map((part) => (TEXT_METHODS.get('isdigit')?.call(part, []) === true ? int(part) : part))
}

export function attributeGetter(
  attribute: Value,
  after: Getter = (value) => value,
  standard: Value = null,
): Getter {
  const path = parts(attribute)
  return (item) => {
    let value = item
    for (const part of path) {
      value = getItem(value, part)
      if (standard !== null && value instanceof Undefined) value = standard
    }
    return after(value)
  }
}

/** 'a,b' gives a list of both. */
export function attributesGetter(attribute: Value, after: Getter): (item: Value) => Value[] {
  const getters = (isText(attribute) ? textOf(attribute).split(',') : [attribute]).map((one) =>
    attributeGetter(one, after),
  )
  return (item) => getters.map((get) => get(item))
}

/** Text is compared without its case unless it is asked for. */
export function ignoreCase(value: Value): Value {
  return isText(value) ? textOf(value).toLowerCase() : value
}
