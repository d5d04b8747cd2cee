import { Check } from 'lucide-react'
import { cancelLoad } from '../../app/actions.ts'
import { knownName, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { bytes, bytesOf, count, percent } from '../../ui/format.ts'
import { LooseNotices } from '../chat/Notices.tsx'
import { secondsLeft } from './loading.ts'
import { planOf } from './plan.ts'

/** The large view of a load: only where there is no transcript to read. */
export function LoadingView() {
  const state = useKigo(({ shown }) => (shown?.status === 'loading' ? shown : null))
  const name = useKigo((all) => (all.shown?.status === 'loading' ? knownName(all, all.shown.path) : null))
  const inspection = useKigo(({ shown, inspected }) => {
    const found = shown?.status === 'loading' ? inspected[shown.path] : undefined
    return found?.ok ? found.inspection : null
  })
  const perSecond = useKigo(({ loadPace }) => loadPace?.perSecond ?? null)
  if (!state) return <div className="mid" />
  const share = state.totalBytes > 0 ? state.doneBytes / state.totalBytes : 0
  const plan = inspection?.memory ? planOf(inspection.memory) : null
  const whole = share >= 1
  return (
    <div className="mid thin" data-region="content">
      <div className="load">
        <h2 className="t-head">Loading {name ?? state.name}</h2>
        <p className="meta num mt-0.5">
          {state.totalBytes > 0 ? bytesOf(state.doneBytes, state.totalBytes) : 'Reading the header'}
          {perSecond !== null &&
            !whole &&
            ` at ${bytes(perSecond)}/s, about ${secondsLeft(state, perSecond)} left`}
        </p>
        <div className="graph">
          <div
            className="plan"
            role="progressbar"
            aria-label="Loading weights"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.floor(share * 100)}
          >
            {plan ? (
              <>
                <i className="p-other" style={{ width: percent(plan.other / plan.scale) }} />
                <i className="p-weights" style={{ width: percent((plan.weights / plan.scale) * share) }} />
                <i className="p-next" style={{ width: percent((plan.weights / plan.scale) * (1 - share)) }} />
                <i className="p-next" style={{ width: percent(plan.workspace / plan.scale) }} />
                <i className="p-next" style={{ width: percent(plan.kv / plan.scale) }} />
              </>
            ) : (
              <i className="p-weights" style={{ width: percent(share) }} />
            )}
          </div>
        </div>
        <ol className="steps">
          <Step state={inspection ? 'done' : 'now'} name="Header and tokenizer">
            {inspection && `${count(inspection.vocabulary.size)} tokens`}
          </Step>
          <Step state={inspection ? 'done' : 'next'} name="Chat template">
            {inspection &&
              { template: 'checked', chatml: 'ChatML instead', completion: 'none, completes text' }[
                inspection.chatTemplate.mode
              ]}
          </Step>
          <Step state={whole ? 'done' : inspection ? 'now' : 'next'} name="Weights">
            {Math.floor(share * 100)} %
          </Step>
          <Step
            state={whole ? 'now' : 'next'}
            name={inspection?.memory ? `KV cache for ${count(inspection.memory.ctx)} tokens` : 'KV cache'}
          >
            {inspection?.memory && bytes(inspection.memory.kv)}
          </Step>
        </ol>
        <div className="row mt-3.5">
          <button className="btn plain" onClick={() => void cancelLoad()}>
            Cancel
          </button>
          <span className="meta">Esc</span>
        </div>
      </div>
      <LooseNotices />
    </div>
  )
}

function Step({
  state,
  name,
  children,
}: {
  state: 'done' | 'now' | 'next'
  name: string
  children: React.ReactNode
}) {
  return (
    <li className={state}>
      {state === 'done' ? <Icon of={Check} /> : <i className="dot" aria-hidden />}
      {name}
      <span>{children}</span>
    </li>
  )
}
