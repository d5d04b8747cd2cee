import { describe, expect, it } from 'vitest'
import { readGguf } from './index.ts'
import { array, buildGguf, text, type Value } from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { shownText } from './text.ts'

const latin1 = (s: string) => Buffer.from(s, 'latin1')
const utf16 = (s: string) => Buffer.from(s, 'utf16le')
const swapped = (s: string) => utf16(s).swap16()

describe('a text that is only shown', () => {
  it.each<[string, Buffer, string]>([
    ['UTF-8', Buffer.from('François 🌸'), 'François 🌸'],
    ['nothing', Buffer.alloc(0), ''],
    ['ASCII of even length', Buffer.from('Tiny'), 'Tiny'],
    ['Latin-1', latin1('François'), 'François'],
    ['Latin-1 that ends in a letter of its own', latin1('André'), 'André'],
    ['UTF-16', utf16('Tiny é'), 'Tiny é'],
    ['UTF-16 with a mark', utf16('\uFEFFТайни'), 'Тайни'],
    ['UTF-16 the other way round', swapped('Tiny'), 'Tiny'],
    ['UTF-16 the other way round with a mark', swapped('\uFEFF小さい'), '小さい'],
    ['half a pair of UTF-16', utf16('\uFEFFa\uD83C'), 'a\uFFFD'],
    ['UTF-8 that was cut within a character', Buffer.from('小さい').subarray(0, 8), '小さ'],
    ['bytes of no encoding', Buffer.from([0xff, 0x80, 0x41]), 'ÿ\u0080A'],
  ])('is read as well as it can be: %s', (_, bytes, expected) => {
    expect(shownText(bytes)).toBe(expected)
  })

  it('does not keep a file from being read: values, lists and keys', async () => {
    const files = new TempFiles()
    const metadata: [string | Buffer, Value][] = [
      ['general.author', text(latin1('François'))],
      ['general.name', text(utf16('Tiny'))],
      ['general.tags', array([text('a'), text(latin1('é'))])],
      [latin1('général.clé'), text('x')],
    ]
    const gguf = await readGguf(files.write(buildGguf({ metadata })))
    expect(Object.fromEntries(gguf.metadata)).toEqual({
      'general.author': 'François',
      'general.name': 'Tiny',
      'general.tags': ['a', 'é'],
      'général.clé': 'x',
    })
    files.remove()
  })
})

it.each<[string, Value]>([
  ['tokenizer.ggml.model', text(latin1('é'))],
  ['tokenizer.ggml.pre', text(latin1('é'))],
  ['tokenizer.ggml.tokens', array([text('a'), text(latin1('é'))])],
  ['tokenizer.ggml.merges', array([text(latin1('a é'))])],
  ['tokenizer.chat_template', text(latin1('{{ "é" }}'))],
  ['tokenizer.chat_template.tool_use', text(latin1('é'))],
  ['tokenizer.chat_templates', array([text(latin1('é'))])],
])('what decides the text that a model reads is UTF-8 or refused: %s', async (key, value) => {
  const files = new TempFiles()
  await expect(readGguf(files.write(buildGguf({ metadata: [[key, value]] })))).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringContaining(`metadata key ${key} holds text that is not UTF-8`),
  })
  files.remove()
})
