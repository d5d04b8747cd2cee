import { dismiss } from '../../app/actions.ts'
import { currentOrder, useKigo } from '../../app/store.ts'
import { Notice } from '../../ui/Notice.tsx'
import { OverflowFigure } from '../models/OverflowFigure.tsx'
import { WaysOut } from '../models/WaysOut.tsx'

/** The failures that have no place of their own, each until it is dismissed. */
export function LooseNotices() {
  const notices = useKigo((state) => state.notices)
  return notices.map(({ id, error, path }) => (
    <Notice
      key={id}
      error={error}
      onClose={() => dismiss(id)}
      figure={<OverflowFigure error={error} path={path} />}
    >
      <WaysOut error={error} path={path} />
    </Notice>
  ))
}

/** What failed: the model that did not load, then whatever else. Below the last turn, or where no turn is yet. */
export function Notices() {
  const failed = useKigo((state) => {
    if (state.model?.status !== 'failed' || state.model.error.code === 'CANCELLED') return null
    // A model that broke while it wrote: its reply says so already.
    const last = state.messages[currentOrder(state).at(-1) ?? '']
    return last?.error?.code === state.model.error.code ? null : state.model
  })
  return (
    <>
      {failed && (
        <Notice error={failed.error} figure={<OverflowFigure error={failed.error} path={failed.path} />}>
          <WaysOut error={failed.error} path={failed.path} />
        </Notice>
      )}
      <LooseNotices />
    </>
  )
}
