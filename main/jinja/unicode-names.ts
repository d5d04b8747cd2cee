/** The character that a name of Unicode stands for, in the blocks that templates have a use for. */
import { inflateSync } from 'node:zlib'
import { BLOCKS, NAMES } from './unicode-names.data.ts'

let characters: Map<string, string> | undefined

/** undefined: there is no character of that name, or none that is known here. */
export function characterNamed(name: string): string | undefined {
  characters ??= readNames()
  return characters.get(name.toUpperCase())
}

function readNames(): Map<string, string> {
  const names = inflateSync(Buffer.from(NAMES, 'base64')).toString().split('\n')
  const codes = BLOCKS.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  )
  return new Map(codes.map((code, i) => [names[i] as string, String.fromCodePoint(code)]))
}
