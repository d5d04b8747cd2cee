/** What a filter and a test are, and what they may use of the environment. */
import { bind, type Arguments } from './arguments.ts'
import type { Keywords, Value } from './values.ts'

export interface Environment {
  /** Whether what is printed is escaped; off, but for {% autoescape true %}. */
  autoescape: boolean
  /** From 0 to below 1, the same numbers in every rendering: a prompt must not change by itself. */
  random(): number
  callFilter(name: Value, value: Value, args: readonly Value[], keywords: Keywords): Value
  callTest(name: Value, value: Value, args: readonly Value[], keywords: Keywords): boolean
}

export interface Filter {
  /** Its result depends on more than its arguments, so it is not computed in advance. */
  contextual: boolean
  call(environment: Environment, value: Value, args: readonly Value[], keywords: Keywords): Value
}

export type Test = (
  environment: Environment,
  value: Value,
  args: readonly Value[],
  keywords: Keywords,
) => boolean

/** A filter with named arguments. */
export function filter(
  name: string,
  signature: string,
  call: (value: Value, args: Arguments, environment: Environment) => Value,
): [string, Filter] {
  return [
    name,
    {
      contextual: false,
      call: (environment, value, args, keywords) =>
        call(value, bind(name, signature, args, keywords), environment),
    },
  ]
}
