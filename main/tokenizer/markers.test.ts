import { describe, expect, it } from 'vitest'
import { findMarkers, isThoughtMarker } from './markers.ts'
import { KIND, type Vocabulary } from './vocabulary.ts'

type Token = [text: string, kind: keyof typeof KIND]

/** The markers among these tokens; `merged`: texts that come about by merging. */
function found(tokens: Token[], written: string, merged: string[] = []): string[] {
  const texts = tokens.map(([text]) => text)
  const vocabulary = {
    texts,
    ids: new Map(texts.map((text, id) => [text, id] as const)),
    kinds: Uint8Array.from(tokens, ([, kind]) => KIND[kind]),
  } as unknown as Vocabulary
  return findMarkers(vocabulary, written, (id, text) => {
    expect(texts[id]).toBe(text)
    return merged.includes(text)
  })
}

describe('the markers of a thought', () => {
  it.each([
    ...['<think>', '</think>', '[THINK]', '<|begin_of_thought|>', '<reasoning>', '<|channel>', '<channel|>'],
    ...['<|inner_prefix|>', '<|inner_suffix|>'],
  ])('are known by their names: %s', (text) => {
    expect(isThoughtMarker(text)).toBe(true)
  })

  it.each([
    ...['<|im_end|>', '<|channel|>', '<|channel>x', 'x<|channel>', '<channel|>x', 'x<channel|>'],
    ...['<|inner_prefix|>x', 'x<|inner_suffix|>', '<|inner_|>'],
  ])('are no others: %s', (text) => {
    expect(isThoughtMarker(text)).toBe(false)
  })
})

describe('the markers that a template writes', () => {
  it('are ordinary tokens that never come about by merging, once each and in their order', () => {
    const tokens: Token[] = [
      ['[a]', 'normal'],
      ['the', 'normal'],
      ['[b]', 'normal'],
      ['[c]', 'normal'],
    ]
    expect(found(tokens, '[b] the [a]\n[a][b] again', ['the'])).toEqual(['[b]', '[a]'])
    expect(found(tokens, '')).toEqual([])
  })

  it('are not white space, nor one character, nor what lies across two lines', () => {
    const tokens: Token[] = [
      ['  ', 'normal'],
      ['a', 'normal'],
      ['a\nb', 'normal'],
      ['\t\t', 'userDefined'],
    ]
    expect(found(tokens, '  a\nb\t\t')).toEqual([])
  })

  it('are found to the very end of a line, inside of others, and up to 64 characters', () => {
    const long = `[${'x'.repeat(62)}]`
    const longer = `(${'x'.repeat(63)})`
    const tokens: Token[] = [
      [long, 'normal'],
      [longer, 'normal'],
      ['xx', 'normal'],
    ]
    expect(found(tokens, `a ${long}`)).toEqual([long, 'xx'])
    expect(found(tokens, `a ${longer}`)).toEqual(['xx'])
  })

  it('are user-defined tokens that have the shape of one', () => {
    for (const text of ['<|user|>', '[INST]', '@@1@@', '<ü>', '</s>'])
      expect(found([[text, 'userDefined']], `a ${text} b`), text).toEqual([text])
    for (const text of ['user', '<user', 'user>', 'a<b>', '<b>c', '---', '<a b>', '<>', '<| |>'])
      expect(found([[text, 'userDefined']], `a ${text} b`), text).toEqual([])
  })

  it('are none of another kind: those are control tokens already, or no text', () => {
    for (const kind of ['control', 'unknown', 'unused', 'byte', 'undefined'] as const)
      expect(found([['<a>', kind]], '<a>')).toEqual([])
  })
})
