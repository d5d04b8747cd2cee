/** Python's strftime() of a naive local time, in the C locale of the GNU library. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
)

/** Flags, width, and the letters that choose another calendar, which the C locale does not have. */
const DIRECTIVE = /%([-_0^#]*)(\d*)([EO]?)([^])/gu

export function strftime(date: Date, format: string): string {
  return format.replace(DIRECTIVE, (whole, flags: string, width: string, _, letter: string) => {
    // Python itself fills in what has neither flags nor width.
    if (whole === '%f') return String(date.getMilliseconds() * 1000).padStart(6, '0')
    if (letter === 'z') return ''
    const directive = Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter] : undefined
    // The C library leaves what it does not know as it is, but for its case and width.
    return padded(directive ? directive(date) : whole, flags, width, letter)
  })
}

/** Text, or a number with the width and fill that it has without flags. */
type Part = string | { value: number; width: number; fill: string }

const number = (value: number, width = 2, fill = '0'): Part => ({ value, width, fill })

function padded(part: Part, flags: string, width: string, letter: string): string {
  const flag = flags.match(/[-_0](?!.*[-_0])/)?.[0]
  const least = Number(width)
  let text: string
  if (typeof part === 'string') text = flag === '-' ? part : part.padStart(least, flag === '0' ? '0' : ' ')
  else {
    const fill = flag === '_' ? ' ' : flag === '0' ? '0' : part.fill
    text = flag === '-' ? String(part.value) : String(part.value).padStart(Math.max(part.width, least), fill)
  }
  if (letter === 'P') return text
  if (flags.includes('#') && letter === 'p') return text.toLowerCase()
  return flags.includes('^') || (flags.includes('#') && 'aAbBh'.includes(letter)) ? text.toUpperCase() : text
}

const MILLISECONDS_A_DAY = 86_400_000

function dayOfYear(date: Date): number {
  const midnight = (month: number, day: number): number => Date.UTC(date.getFullYear(), month, day)
  return (midnight(date.getMonth(), date.getDate()) - midnight(0, 0)) / MILLISECONDS_A_DAY
}

/** Week of the year; weeks begin on `first`, and what lies before the first of them is week 0. */
function week(date: Date, first: 0 | 1): number {
  const weekday = (date.getDay() - first + 7) % 7
  return Math.floor((dayOfYear(date) + 6 - weekday) / 7)
}

/** The week of ISO 8601 belongs to the year that its Thursday lies in. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(
    date.getFullYear(),
    date.getMonth(),
    date.getDate() - ((date.getDay() + 6) % 7) + 3,
  )
  return { year: thursday.getFullYear(), week: Math.ceil(dayOfYear(thursday) / 7) }
}

const day = (date: Date): string => DAYS[date.getDay()] as string
const month = (date: Date): string => MONTHS[date.getMonth()] as string
const hour12 = (date: Date): number => date.getHours() % 12 || 12
const half = (date: Date): string => (date.getHours() < 12 ? 'AM' : 'PM')
const inner = (format: string) => (date: Date) => strftime(date, format)

const DIRECTIVES: Record<string, (date: Date) => Part> = {
  Y: (date) => number(date.getFullYear(), 1),
  C: (date) => number(Math.floor(date.getFullYear() / 100)),
  y: (date) => number(date.getFullYear() % 100),
  G: (date) => number(isoWeek(date).year, 1),
  g: (date) => number(isoWeek(date).year % 100),
  V: (date) => number(isoWeek(date).week),
  U: (date) => number(week(date, 0)),
  W: (date) => number(week(date, 1)),
  m: (date) => number(date.getMonth() + 1),
  d: (date) => number(date.getDate()),
  e: (date) => number(date.getDate(), 2, ' '),
  j: (date) => number(dayOfYear(date), 3),
  u: (date) => number(date.getDay() || 7, 1),
  w: (date) => number(date.getDay(), 1),
  H: (date) => number(date.getHours()),
  I: (date) => number(hour12(date)),
  k: (date) => number(date.getHours(), 2, ' '),
  l: (date) => number(hour12(date), 2, ' '),
  M: (date) => number(date.getMinutes()),
  S: (date) => number(date.getSeconds()),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  p: half,
  P: (date) => half(date).toLowerCase(),
  A: day,
  a: (date) => day(date).slice(0, 3),
  B: month,
  b: (date) => month(date).slice(0, 3),
  h: (date) => month(date).slice(0, 3),
  c: inner('%a %b %e %H:%M:%S %Y'),
  x: inner('%m/%d/%y'),
  D: inner('%m/%d/%y'),
  X: inner('%H:%M:%S'),
  T: inner('%H:%M:%S'),
  r: inner('%I:%M:%S %p'),
  R: inner('%H:%M'),
  F: inner('%Y-%m-%d'),
  // A time without a zone has neither its name nor its offset.
  Z: () => '',
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
}
