/** The markers of a vocabulary: which of them a reader sees, and which a chat template writes. */
import { KIND, type Vocabulary } from './vocabulary.ts'

/** What a template's own words mean to a vocabulary. */
export interface TemplateTokens {
  /** Texts of tokens that the template writes whole, though the file types them as ordinary text. */
  markers: string[]
  /** For every text that stands behind an assistant's message: the token that ends the reply there, or null. */
  ends: (number | null)[]
}

/** Around a thought. A reply without them would run thought and answer together. */
const THOUGHT = /think|thought|reason|^<\|inner_(prefix|suffix)\|>$|^<\|channel>$|^<channel\|>$/i

/** A marker that is part of what a model says, whatever type the file gives it. */
export function isThoughtMarker(text: string): boolean {
  return THOUGHT.test(text)
}

/** Longer texts are no markers, and looking for them would cost time. */
const LONGEST = 64

/** A user-defined token that is a marker and no piece of text: `<|user|>`, not a run of line feeds or dashes. */
const MARKER_SHAPE = /^[^\p{L}\p{N}\s]\S*[\p{L}\p{N}]\S*[^\p{L}\p{N}\s]$/u

/**
 * The markers among the tokens that `written`, a template's own words, holds. Ordinary tokens come about by merging;
 * `isMerged` tells whether one does. One that never does was put into the vocabulary to be written whole.
 */
export function findMarkers(
  { texts, ids, kinds }: Vocabulary,
  written: string,
  isMerged: (id: number, text: string) => boolean,
): string[] {
  const seen = new Set<number>()
  const markers: string[] = []
  for (const line of new Set(written.split('\n'))) {
    for (let from = 0; from < line.length; from++) {
      const longest = Math.min(line.length, from + LONGEST)
      for (let to = from + 2; to <= longest; to++) {
        const id = ids.get(line.slice(from, to))
        if (id === undefined || seen.has(id)) continue
        seen.add(id)
        const text = texts[id] as string
        const kind = kinds[id]
        const isMarker =
          kind === KIND.userDefined
            ? MARKER_SHAPE.test(text)
            : kind === KIND.normal && text.trim() !== '' && !isMerged(id, text)
        if (isMarker) markers.push(text)
      }
    }
  }
  return markers
}
