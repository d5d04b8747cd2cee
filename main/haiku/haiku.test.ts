import { describe, expect, it } from 'vitest'
import { haikuProblem, haikuPrompt, minuteInWords, numbersIn } from './index.ts'

const MINUTES = Array.from({ length: 60 }, (_, minute) => minute)

describe('minuteInWords', () => {
  it('writes the minutes as a person does', () => {
    expect([0, 1, 9, 10, 13, 19, 20, 21, 40, 44, 59].map(minuteInWords)).toEqual([
      'zero',
      'one',
      'nine',
      'ten',
      'thirteen',
      'nineteen',
      'twenty',
      'twenty-one',
      'forty',
      'forty-four',
      'fifty-nine',
    ])
  })

  it('gives sixty different words, and refuses what is no minute', () => {
    expect(new Set(MINUTES.map(minuteInWords)).size).toBe(60)
    for (const wrong of [-1, 60, 1.5, NaN]) expect(() => minuteInWords(wrong)).toThrow(RangeError)
  })
})

describe('haikuProblem', () => {
  const lines = (first: string): string => `${first}\nover the hills\nthe day is done`

  it('takes three lines with the number exactly once, in any case, with hyphen or space', () => {
    for (const first of [
      'Forty-two geese',
      'FORTY-TWO geese',
      'forty two geese',
      'the forty‑two geese',
      '"Forty-two" geese',
      'forty-two, geese',
    ]) {
      expect(haikuProblem(lines(first), 42)).toBeNull()
    }
    expect(haikuProblem(`\n ${lines('forty-two geese')}\n\n`, 42)).toBeNull()
  })

  it('does not count a number inside another number', () => {
    expect(haikuProblem(lines('twenty-one birds'), 1)).toBe('word missing')
    expect(haikuProblem(lines('twenty one birds'), 1)).toBe('word missing')
    expect(haikuProblem(lines('twenty-one birds'), 20)).toBe('word missing')
    expect(haikuProblem(lines('sixty birds, sixteen birds'), 6)).toBe('word missing')
    expect(haikuProblem(lines('twenty-one birds, one fish'), 1)).toBeNull()
  })

  it('does not count a number inside another word', () => {
    expect(haikuProblem(lines('someone, alone, gone, stone'), 1)).toBe('word missing')
    expect(haikuProblem(lines('a one-eyed bird'), 1)).toBe('word missing')
    expect(haikuProblem(lines('often the tent'), 10)).toBe('word missing')
  })

  it('says what is wrong', () => {
    expect(haikuProblem(lines('many geese'), 42)).toBe('word missing')
    expect(haikuProblem(lines('forty-two geese, forty two swans'), 42)).toBe('word twice')
    expect(haikuProblem('forty-two geese\nfly', 42)).toBe('not three lines')
    expect(haikuProblem('forty-two geese\n\nfly\nhome', 42)).toBe('not three lines')
    expect(haikuProblem('forty-two geese fly home', 42)).toBe('not three lines')
    expect(haikuProblem('', 42)).toBe('word missing')
  })
})

describe('numbersIn', () => {
  it('reads the longest number at each place', () => {
    expect(numbersIn('Twenty one, then two; FIFTY-NINE and a thirty')).toEqual([
      'twenty-one',
      'two',
      'fifty-nine',
      'thirty',
    ])
  })
})

describe('haikuPrompt', () => {
  it.each(MINUTES)(
    'minute %i: no worked example holds the asked number, not even inside another',
    (minute) => {
      const turns = haikuPrompt(minute)
      const request = turns.at(-1)!
      expect(request.role).toBe('user')
      expect(numbersIn(request.content)).toEqual([minuteInWords(minute)])
      const examples = turns.slice(0, -1)
      expect(examples.length).toBeGreaterThan(0)
      for (const { content } of examples) {
        expect(content.toLowerCase()).not.toContain(minuteInWords(minute))
        expect(content.toLowerCase()).not.toContain(minuteInWords(minute).replace('-', ' '))
      }
    },
  )

  it.each(MINUTES)('minute %i: every worked example would pass its own test', (minute) => {
    const turns = haikuPrompt(minute).slice(0, -1)
    for (let i = 0; i < turns.length; i += 2) {
      const [asked] = numbersIn(turns[i]!.content)
      const number = MINUTES.find((other) => minuteInWords(other) === asked)!
      expect(haikuProblem(turns[i + 1]!.content, number)).toBeNull()
    }
  })
})
