/** The haiku almanac: four seasons that begin between the quarter days, and a line for each half-month. */
export type Season = 'winter' | 'spring' | 'summer' | 'autumn'
export type Hemisphere = 'north' | 'south'

/** First day of each season in the north, as month × 100 + day. Before the first of them it is still winter. */
const STARTS: readonly (readonly [number, Season])[] = [
  [1107, 'winter'],
  [807, 'autumn'],
  [505, 'summer'],
  [204, 'spring'],
]
const OPPOSITE: Record<Season, Season> = {
  winter: 'summer',
  summer: 'winter',
  spring: 'autumn',
  autumn: 'spring',
}

export function seasonOf(date: Date, hemisphere: Hemisphere): Season {
  const day = (date.getMonth() + 1) * 100 + date.getDate()
  const north = STARTS.find(([start]) => day >= start)?.[1] ?? 'winter'
  return hemisphere === 'north' ? north : OPPOSITE[north]
}

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

/** Two a month, the first for days 1 to 15, as the north sees them. */
export const HALF_MONTHS = [
  'frost stays on the glass till noon',
  'the pond is ice from edge to edge',
  'the light comes back a little',
  'plum buds open in the cold',
  'snow water runs in the ditches',
  'the first swallows are back',
  'cherry petals lie on the wet road',
  'the hills have gone green',
  'bamboo shoots come up overnight',
  'the barley turns yellow',
  'fireflies over the ditch',
  'rain on the young rice',
  'the cicadas begin',
  'thunder far off in the heat',
  'the evening wind has turned',
  'crickets start before dark',
  'dew lies on the grass',
  'geese pass over at night',
  'chrysanthemums by the gate',
  'the maples colour from the top',
  'the first cold rain',
  'the evenings draw in',
  'the wind has stripped the trees',
  'the nights are at their longest',
] as const

/** "Late November, the evenings draw in." The south has the line of half a year away. */
export function seasonLine(date: Date, hemisphere: Hemisphere): string {
  const late = date.getDate() > 15
  const half = date.getMonth() * 2 + (late ? 1 : 0)
  const clause = HALF_MONTHS[(half + (hemisphere === 'north' ? 0 : 12)) % 24]
  return `${late ? 'Late' : 'Early'} ${MONTHS[date.getMonth()]}, ${clause}.`
}
