import type { ErrorCode } from '../../../contract/errors.ts'
import { dismiss } from '../../app/actions.ts'
import { currentOrder, useKigo } from '../../app/store.ts'
import { Notice } from '../../ui/Notice.tsx'
import { OverflowFigure } from '../models/OverflowFigure.tsx'
import { WaysOut } from '../models/WaysOut.tsx'

interface LooseProps {
  /** What the view says in its own place already. */
  but?: { path: string; code: ErrorCode } | undefined
}

/** The failures that have no place of their own, each until it is dismissed. */
export function LooseNotices({ but }: LooseProps) {
  const notices = useKigo((state) => state.notices)
  const loose = notices.filter(({ error, path }) => path !== but?.path || error.code !== but?.code)
  return loose.map(({ id, error, path }) => (
    <Notice
      key={id}
      error={error}
      file={path}
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
    if (state.shown?.status !== 'failed' || state.shown.error.code === 'CANCELLED') return null
    // A model that broke while it wrote: its reply says so already.
    const last = state.messages[currentOrder(state).at(-1) ?? '']
    return last?.error?.code === state.shown.error.code ? null : state.shown
  })
  return (
    <>
      {failed && (
        <Notice
          error={failed.error}
          file={failed.path}
          figure={<OverflowFigure error={failed.error} path={failed.path} />}
        >
          <WaysOut error={failed.error} path={failed.path} />
        </Notice>
      )}
      <LooseNotices />
    </>
  )
}
