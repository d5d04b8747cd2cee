const UNITS = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
  'thirteen',
  'fourteen',
  'fifteen',
  'sixteen',
  'seventeen',
  'eighteen',
  'nineteen',
] as const
const TENS = ['twenty', 'thirty', 'forty', 'fifty'] as const

/** A minute, 0 to 59, as a person writes it: "zero" … "fifty-nine". */
export function minuteInWords(minute: number): string {
  if (!Number.isInteger(minute) || minute < 0 || minute > 59)
    throw new RangeError(`${minute} is not a minute, 0 to 59`)
  if (minute < 20) return UNITS[minute]!
  const tens = TENS[Math.floor(minute / 10) - 2]!
  return minute % 10 === 0 ? tens : `${tens}-${UNITS[minute % 10]!}`
}
