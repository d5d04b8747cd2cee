/** str.encode() and what can be done with what it gives: decode it, print it, count it. */
import type { Arguments } from './arguments.ts'
import { typeError, valueError } from './errors.ts'
import { Bytes, isText, textOf, typeName, type Value } from './values.ts'

type Encoding = 'utf-8' | 'ascii' | 'latin-1'

const ENCODINGS: Record<string, Encoding> = {
  utf8: 'utf-8',
  u8: 'utf-8',
  ascii: 'ascii',
  usascii: 'ascii',
  latin1: 'latin-1',
  latin: 'latin-1',
  l1: 'latin-1',
  iso88591: 'latin-1',
}

function options([encoding = 'utf-8', errors = 'strict']: Arguments): { encoding: Encoding; errors: string } {
  if (!isText(encoding) || !isText(errors)) throw typeError('encoding and errors must be text')
  const name = textOf(encoding).toLowerCase().replace(/[-_ ]/g, '')
  if (!Object.hasOwn(ENCODINGS, name)) throw valueError(`unknown encoding: ${textOf(encoding)}`)
  return { encoding: ENCODINGS[name] as Encoding, errors: textOf(errors) }
}

export function encode(text: string, args: Arguments): Bytes {
  const { encoding, errors } = options(args)
  if (encoding === 'utf-8') {
    if (/\p{Cs}/u.test(text) && errors === 'strict')
      throw valueError("'utf-8' codec can't encode half of a character")
    return new Bytes(new TextEncoder().encode(text))
  }
  const highest = encoding === 'ascii' ? 0x7f : 0xff
  const data: number[] = []
  for (const character of text) {
    const code = character.codePointAt(0) as number
    if (code <= highest) data.push(code)
    else if (errors === 'replace') data.push(0x3f)
    else if (errors !== 'ignore')
      throw valueError(`'${encoding}' codec can't encode character U+${code.toString(16)}`)
  }
  return new Bytes(data)
}

export function decode({ data }: Bytes, args: Arguments): string {
  const { encoding, errors } = options(args)
  if (encoding === 'latin-1') return String.fromCharCode(...data)
  if (encoding === 'ascii' && data.some((byte) => byte > 0x7f)) {
    if (errors === 'strict') throw valueError("'ascii' codec can't decode a byte above 127")
    return data
      .map((byte) => (byte <= 0x7f ? String.fromCharCode(byte) : errors === 'replace' ? '\ufffd' : ''))
      .join('')
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: errors !== 'replace', ignoreBOM: true }).decode(
      Uint8Array.from(data),
    )
    return text
  } catch {
    throw valueError("'utf-8' codec can't decode these bytes")
  }
}

type Method = [signature: string, call: (args: Arguments) => Value]

export function bytesMethod(bytes: Bytes, name: string): Method | undefined {
  if (name === 'decode') return ['encoding? errors?', (args) => decode(bytes, args)]
  if (name === 'hex') return ['', () => bytes.data.map((byte) => byte.toString(16).padStart(2, '0')).join('')]
  if (name !== 'startswith' && name !== 'endswith') return undefined
  return [
    'affix /',
    ([affix]) => {
      if (!(affix instanceof Bytes))
        throw typeError(`${name} first arg must be bytes, not ${typeName(affix as Value)}`)
      const size = affix.data.length
      const part =
        name === 'startswith' ? bytes.data.slice(0, size) : bytes.data.slice(bytes.data.length - size)
      return size <= bytes.data.length && part.every((byte, i) => byte === affix.data[i])
    },
  ]
}
