/** What is odd about a model that runs all the same: said on the card, by `kigo inspect` and before a reply. */
import path from 'node:path'
import type { ModelDescription } from '../engine/addon.ts'
import type { Gguf } from '../gguf/index.ts'
import { checkVocabulary } from '../gguf/vocabulary.ts'
import { grouped } from '../numbers.ts'
import { tokenizerNotes } from '../tokenizer/index.ts'
import { ARCHITECTURES } from './architectures.ts'
import { lacksOwnNumbers } from './config.ts'
import { paddedRows } from './describe.ts'

/** A sentence or two each. `description` is what describeModel() made of the file. */
export function notesOf(gguf: Gguf, description: ModelDescription): string[] {
  const { metadata } = gguf
  const { architecture, nVocab, normEps } = description.config
  const notes = [...(checkVocabulary(metadata)?.notes ?? []), ...tokenizerNotes(metadata)]
  for (const file of gguf.unwritten)
    notes.push(
      `${path.basename(file)} is empty at its end, as a download that did not finish: what the model writes will make no sense. Download it again, whole.`,
    )
  const rows = paddedRows(gguf, description)
  if (rows > 0) {
    const beyond = `${grouped(rows)} row${rows === 1 ? '' : 's'} beyond the vocabulary of ${grouped(nVocab)}`
    notes.push(`The embedding has ${beyond}: left out.`)
  }
  if (lacksOwnNumbers(metadata, architecture, ARCHITECTURES[architecture]!))
    notes.push(`The file does not say the epsilon of its norms: ${normEps}, as in every model of its kind.`)
  return notes
}
