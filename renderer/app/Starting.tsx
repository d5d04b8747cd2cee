import { setDraft } from './actions.ts'
import { useKigo } from './store.ts'

/** Before the first view is known: paper. What is typed already goes where it would go a moment later. */
export function Starting() {
  const draft = useKigo((state) => state.drafts[''] ?? '')
  return (
    <textarea
      className="vh"
      aria-label="Message"
      spellCheck={false}
      autoFocus
      value={draft}
      onChange={(event) => setDraft(event.target.value)}
    />
  )
}
