import type { Message } from '../../../contract/chat.ts'
import type { ErrorData } from '../../../contract/errors.ts'
import { loadModel, newChat, writeAgain } from '../../app/actions.ts'
import { currentOrder, loadedModel, useKigo } from '../../app/store.ts'
import { count } from '../../ui/format.ts'
import { Notice } from '../../ui/Notice.tsx'
import { WaysOut } from '../models/WaysOut.tsx'
import { largerContext } from '../models/plan.ts'

/**
 * A reply that ended in an error: what was written stays, the notice says what happened. `last`: nothing follows, so
 * that its ways out still lead on from here.
 */
export function ReplyError({ id, error, last }: { id: string; error: ErrorData; last: boolean }) {
  // No word came back: what was asked can be taken back into the composer, the whole of it.
  const asked = useKigo((state) => {
    const order = currentOrder(state)
    const question = state.messages[order[order.indexOf(id) - 1] ?? '']
    return state.messages[id]?.text === '' && question?.role === 'user' ? question.text : null
  })
  return (
    <Notice error={error} announce={last} mild={error.code === 'CANCELLED'}>
      {last && (
        <>
          <WaysOut error={error} path={undefined} />
          {asked !== null && (
            <button className="btn quiet" onClick={() => writeAgain(asked)}>
              Write it again
            </button>
          )}
        </>
      )}
    </Notice>
  )
}

/**
 * The reply reached the end of the context: a state with a way on, not a failure. It is over when there is room for a
 * next message, in a larger context, and where the chat went on.
 */
export function ContextFull({ stats, last }: { stats: Message['stats']; last: boolean }) {
  const model = useKigo(loadedModel)
  const room = useKigo(({ usage }) => usage !== null && usage.used < usage.nCtx - 1)
  if (!last || room) return null
  // Those of the context that the reply was written in, whatever is loaded now.
  const held = stats === undefined ? 0 : stats.cachedTokens + stats.promptTokens + stats.tokens
  const error: ErrorData = {
    code: 'PROMPT_TOO_LONG',
    message: 'The context is full.',
    hint: `${held > 0 ? `${count(held)} of ${count(held)} tokens. ` : ''}The reply stopped in the middle; every word so far is kept.`,
  }
  const larger = model && largerContext(model, held)
  return (
    <Notice error={error} mild>
      {model !== null && larger !== null && (
        <button className="btn ink" onClick={() => void loadModel(model.path, { contextLength: larger })}>
          Load with {count(larger)} context
        </button>
      )}
      <button className={`btn ${larger === null ? 'ink' : 'plain'}`} onClick={() => void newChat()}>
        New chat
      </button>
    </Notice>
  )
}
