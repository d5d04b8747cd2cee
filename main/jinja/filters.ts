/** Jinja2's filters, with tojson as the transformers library has it. */
import type { Filter } from './filter.ts'
import { HTML_FILTERS } from './html-filters.ts'
import { SEQUENCE_FILTERS } from './sequence-filters.ts'
import { TEXT_FILTERS } from './text-filters.ts'
import { VALUE_FILTERS } from './value-filters.ts'

export const FILTERS: ReadonlyMap<string, Filter> = new Map([
  ...TEXT_FILTERS,
  ...SEQUENCE_FILTERS,
  ...VALUE_FILTERS,
  ...HTML_FILTERS,
])

export const FILTER_NAMES: ReadonlySet<string> = new Set(FILTERS.keys())
