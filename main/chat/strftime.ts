/** Python's strftime in the C locale, local time. A directive that is not known raises. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?[A-Za-z%])/g, (_, directive: string) => {
    const plain = directive.startsWith('-')
    const value = DIRECTIVES[plain ? directive.slice(1) : directive]?.(date)
    if (value === undefined) throw new Error(`strftime directive %${directive} is not supported`)
    return plain ? value.replace(/^[0 ]+(?=\d)/, '') : value
  })
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

const two = (value: number): string => String(value).padStart(2, '0')
const day = (date: Date): string => DAYS[date.getDay()] as string
const month = (date: Date): string => MONTHS[date.getMonth()] as string
const dayOfYear = (date: Date): number => {
  const midnight = (year: number, m: number, d: number): number => Date.UTC(year, m, d)
  return (
    (midnight(date.getFullYear(), date.getMonth(), date.getDate()) - midnight(date.getFullYear(), 0, 0)) /
    86_400_000
  )
}

const DIRECTIVES: Record<string, (date: Date) => string> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2, ' '),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  A: day,
  a: (date) => day(date).slice(0, 3),
  B: month,
  b: (date) => month(date).slice(0, 3),
  F: (date) => strftime(date, '%Y-%m-%d'),
  T: (date) => strftime(date, '%H:%M:%S'),
  R: (date) => strftime(date, '%H:%M'),
  D: (date) => strftime(date, '%m/%d/%y'),
  '%': () => '%',
}
