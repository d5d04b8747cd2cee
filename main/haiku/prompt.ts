import type { ChatTurn } from '../chat/types.ts'
import { minuteInWords } from './words.ts'

/** Haiku that open with a number; written for this purpose. None holds another number. */
const HAIKU: readonly ((number: string) => string)[] = [
  (number) => `${number} wild geese fly\nover the cold silver lake,\nwinter comes again.`,
  (number) => `${number} white petals\nfall upon the quiet pond,\nspring is at an end.`,
  (number) => `${number} small raindrops\nrest upon the bamboo leaf,\nmorning light returns.`,
]

/**
 * A conversation that asks for a haiku with the minute, after three worked examples as earlier turns. The examples'
 * numbers are the nearest ones whose words do not hold the asked number ("forty-one" for "forty-two", never
 * "forty-two" for "two"): a small model then copies the pattern and spells the number right.
 *
 * Measured with SmolLM2-135M, 8 attempts a minute: four of five attempts pass over all minutes, the weakest minute
 * (fifty) one of eight. Two examples and "with the number forty-two" passed two of five, none on eleven minutes.
 */
export function haikuPrompt(minute: number): ChatTurn[] {
  const examples = exampleMinutes(minute, HAIKU.length).flatMap((example, i): ChatTurn[] => {
    const number = capitalised(minuteInWords(example))
    return [request(number), { role: 'assistant', content: HAIKU[i]!(number) }]
  })
  return [...examples, request(capitalised(minuteInWords(minute)))]
}

function request(number: string): ChatTurn {
  return { role: 'user', content: `Write a haiku that begins with "${number}".` }
}

function exampleMinutes(minute: number, count: number): number[] {
  const asked = minuteInWords(minute)
  const others = Array.from({ length: 60 }, (_, other) => other).filter(
    (other) => !minuteInWords(other).includes(asked),
  )
  // The nearest first; of two as near, the later minute.
  return others.sort((a, b) => Math.abs(a - minute) - Math.abs(b - minute) || b - a).slice(0, count)
}

function capitalised(words: string): string {
  return words[0]!.toUpperCase() + words.slice(1)
}
