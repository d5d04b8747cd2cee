/** Binds the arguments of a call to names, as Python does; what does not fit is a TypeError. */
import { typeError } from './errors.ts'
import type { Keywords, Value } from './values.ts'

interface Parameter {
  name: string
  optional: boolean
}
interface Signature {
  parameters: Parameter[]
  keywords: boolean
}

const signatures = new Map<string, Signature>()

/** 'old new count? /': names, those that may be left out, and a slash where none may be given by name. */
function parse(text: string): Signature {
  const known = signatures.get(text)
  if (known) return known
  const words = text.split(' ').filter((word) => word !== '')
  const names = words.filter((word) => word !== '/')
  const signature: Signature = {
    parameters: names.map((word) => ({ name: word.replace('?', ''), optional: word.endsWith('?') })),
    keywords: !words.includes('/'),
  }
  signatures.set(text, signature)
  return signature
}

export type Arguments = (Value | undefined)[]

const NO_KEYWORDS: Keywords = new Map()

/** The values in the order of the signature; undefined for what was left out. */
export function bind(
  callee: string,
  signature: string,
  args: readonly Value[],
  keywords: Keywords = NO_KEYWORDS,
): Arguments {
  const { parameters, keywords: takesKeywords } = parse(signature)
  if (args.length > parameters.length)
    throw typeError(`${callee}() takes at most ${parameters.length} arguments (${args.length} given)`)
  const bound: Arguments = parameters.map((_, i) => args[i])
  for (const [name, value] of keywords) {
    const at = takesKeywords ? parameters.findIndex((parameter) => parameter.name === name) : -1
    if (at === -1) throw typeError(`${callee}() got an unexpected keyword argument '${name}'`)
    if (at < args.length) throw typeError(`${callee}() got multiple values for argument '${name}'`)
    bound[at] = value
  }
  for (const [i, { name, optional }] of parameters.entries())
    if (!optional && bound[i] === undefined)
      throw typeError(`${callee}() missing a required argument: '${name}'`)
  return bound
}
