/**
 * The composer's field and its draft. They are not React's: it would write to the field at every key, also where nothing
 * changes, whereupon Chromium sets the whole of a long text anew.
 */
import { setDraft } from '../../app/actions.ts'
import { draftKey, get, useKigo, type KigoState } from '../../app/store.ts'
import { lookOf, type DraftLook } from './draft-look.ts'

export const draftOf = (state: KigoState): string => state.drafts[draftKey(state)] ?? ''

/** Shows the draft of the conversation on screen in the field, and takes what is typed. Returns what ends that. */
export function keepField(field: HTMLTextAreaElement): () => void {
  let look: DraftLook | undefined
  const show = (state: KigoState): void => {
    const draft = draftOf(state)
    if (field.value !== draft) field.value = draft
    const before = look
    look = lookOf(draft)
    if (look === before) return
    field.dir = look.dir
    field.classList.toggle('long', look.long)
  }
  const typed = (event: Event): void => {
    event.stopPropagation()
    setDraft(field.value)
  }
  show(get())
  field.addEventListener('input', typed)
  const unsubscribe = useKigo.subscribe((state, before) => {
    if (draftOf(state) !== draftOf(before)) show(state)
  })
  return () => {
    field.removeEventListener('input', typed)
    unsubscribe()
  }
}
