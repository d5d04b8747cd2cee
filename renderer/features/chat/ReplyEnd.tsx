import type { ErrorData } from '../../../contract/errors.ts'
import { loadModel, newChat, writeAgain } from '../../app/actions.ts'
import { currentOrder, loadedModel, useKigo } from '../../app/store.ts'
import { count } from '../../ui/format.ts'
import { Notice } from '../../ui/Notice.tsx'
import { WaysOut } from '../models/WaysOut.tsx'

/** A reply that ended in an error: what was written stays, the notice says what happened. */
export function ReplyError({ id, error, announce }: { id: string; error: ErrorData; announce: boolean }) {
  // No word came back: what was asked can be taken back into the composer, the whole of it.
  const asked = useKigo((state) => {
    const order = currentOrder(state)
    const question = state.messages[order[order.indexOf(id) - 1] ?? '']
    return announce && state.messages[id]?.text === '' && question?.role === 'user' ? question.text : null
  })
  return (
    <Notice error={error} once={id} announce={announce} mild={error.code === 'CANCELLED'}>
      <WaysOut error={error} path={undefined} />
      {asked !== null && (
        <button className="btn quiet" onClick={() => writeAgain(asked)}>
          Write it again
        </button>
      )}
    </Notice>
  )
}

/** The reply reached the end of the context: a state with a way on, not a failure. */
export function ContextFull({ id, announce }: { id: string; announce: boolean }) {
  const model = useKigo(loadedModel)
  const error: ErrorData = {
    code: 'PROMPT_TOO_LONG',
    message: 'The context is full.',
    hint: `${model ? `${count(model.nCtx)} of ${count(model.nCtx)} tokens. ` : ''}The reply stopped in the middle; every word so far is kept.`,
  }
  const larger =
    model &&
    largerContext(model.nCtx, model.inspection.contextLength, model.inspection.memory?.largestContext ?? 0)
  return (
    <Notice error={error} once={id} announce={announce} mild>
      {model !== null && larger !== null && (
        <button className="btn plain" onClick={() => void loadModel(model.path, { contextLength: larger })}>
          Load with {count(larger)} context
        </button>
      )}
      <button className="btn plain" onClick={() => void newChat()}>
        New chat
      </button>
    </Notice>
  )
}

/** Twice the context, as far as model and memory allow; null if there is no more to have. */
export function largerContext(nCtx: number, trained: number, fits: number): number | null {
  const larger = Math.min(nCtx * 2, trained, fits)
  return larger > nCtx ? larger : null
}
