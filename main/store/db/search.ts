/**
 * Search over titles and messages. Every word has to be there, in any order; letters' case does not count. The index
 * knows three characters and more; shorter words, common in Chinese and Japanese, are looked for in what is left.
 */
import type { SearchHit } from '../../../contract/tree.ts'
import type { Context } from './context.ts'
import { storable } from './rows.ts'

/** Characters around the first word that was found. */
const BEFORE = 40
const AFTER = 120

interface Found {
  conversation: string
  title: string
  message: string | null
  text: string
  updated_at: number
}

/** Titles first, then messages; of each the conversation used last first. Deleted conversations are left out. */
export function search({ db }: Context, query: string, limit: number): SearchHit[] {
  const words = [...new Set(storable(query).split(/\s+/u))].filter((word) => word !== '')
  if (words.length === 0) return []
  const pattern = new RegExp(words.map(escapeRegExp).toSorted(longerFirst).join('|'), 'giu')
  const holdsAll = wordsIn(words)
  const shown = 'c.deleted_at IS NULL AND c.head IS NOT NULL'

  const titles = db
    .prepare(
      `SELECT c.id AS conversation, c.title, NULL AS message, c.title AS text, c.updated_at
         FROM conversation c WHERE ${shown} ORDER BY c.updated_at DESC`,
    )
    .iterate() as Iterable<Found>
  const long = words.filter((word) => [...word].length >= 3)
  const indexed = long.map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ')
  const messages = db
    .prepare(
      `SELECT c.id AS conversation, c.title, m.id AS message, p.text, c.updated_at
       FROM part p JOIN message m ON m.id = p.message JOIN conversation c ON c.id = m.conversation
       WHERE ${shown} AND p.indexed = 1
         ${indexed === '' ? '' : 'AND p.rowid IN (SELECT rowid FROM part_words WHERE part_words MATCH ?)'}
       ORDER BY c.updated_at DESC, m.rowid DESC, p.n`,
    )
    .iterate(...(indexed === '' ? [] : [indexed])) as Iterable<Found>

  const hits: SearchHit[] = []
  for (const rows of [titles, messages]) {
    for (const row of rows) {
      if (hits.length === limit) return hits
      if (holdsAll(row.text)) hits.push({ ...hit(row), ...excerpt(row.text, pattern) })
    }
  }
  return hits
}

function hit(row: Found): Pick<SearchHit, 'conversation' | 'title' | 'message' | 'updatedAt'> {
  return { conversation: row.conversation, title: row.title, message: row.message, updatedAt: row.updated_at }
}

function wordsIn(words: string[]): (text: string) => boolean {
  const patterns = words.map((word) => new RegExp(escapeRegExp(word), 'iu'))
  return (text) => patterns.every((pattern) => pattern.test(text))
}

/** The line of text around the first word, cut between characters, and where all words lie in it. */
function excerpt(text: string, pattern: RegExp): Pick<SearchHit, 'context' | 'marks'> {
  pattern.lastIndex = 0
  const first = pattern.exec(text)?.index ?? 0
  const from = betweenCharacters(text, Math.max(0, first - BEFORE))
  const to = betweenCharacters(text, Math.min(text.length, first + AFTER))
  // One unit for one: the marks stay where they are.
  const context = text.slice(from, to).replaceAll(/\s/gu, ' ')
  pattern.lastIndex = 0
  const marks = [...context.matchAll(pattern)].map((m): [number, number] => [m.index, m.index + m[0].length])
  return { context, marks }
}

/** `at`, or one before it where a surrogate pair would be cut. */
function betweenCharacters(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at
}

const escapeRegExp = (word: string): string => word.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
const longerFirst = (a: string, b: string): number => b.length - a.length
