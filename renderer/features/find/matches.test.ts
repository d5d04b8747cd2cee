import { describe, expect, it } from 'vitest'
import { placesOf } from './matches.ts'

const found = (text: string, query: string): string[] =>
  placesOf(text, query).map(([start, end]) => text.slice(start, end))

describe('what is looked for', () => {
  it('is found whatever the case of its letters, also beyond ASCII', () => {
    expect(found('Haiku, haiku, HAIKU', 'haiku')).toEqual(['Haiku', 'haiku', 'HAIKU'])
    expect(found('ÄRGER Ärger', 'ärger')).toEqual(['ÄRGER', 'Ärger'])
    expect(found('İstanbul 😀 ist', 'ist')).toEqual(['ist'])
  })

  it('is text and no pattern', () => {
    const marks = 'a.b*c [x] (y) {z} ^$ | \\ / - +?'
    expect(found(`${marks} axb`, 'a.b')).toEqual(['a.b'])
    for (const mark of marks.split(' ')) expect(found(marks, mark)).toContain(mark)
  })

  it('is found across any white space where it has a space', () => {
    expect(found('one  two one\ntwo onetwo', 'one two')).toEqual(['one  two', 'one\ntwo'])
  })

  it('does not overlap itself', () => {
    expect(placesOf('aaaa', 'aa')).toEqual([
      [0, 2],
      [2, 4],
    ])
  })

  it('is found nowhere where it is nothing', () => {
    expect(found('a b', '')).toEqual([])
    expect(found('a b', ' ')).toEqual([])
  })
})
