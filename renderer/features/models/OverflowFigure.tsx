import type { ErrorData } from '../../../contract/errors.ts'
import type { MemoryOutlook } from '../../../contract/model.ts'
import { useKigo } from '../../app/store.ts'
import { bytes } from '../../ui/format.ts'
import { planOf } from './plan.ts'
import { PlanBar, PlanLegend } from './PlanBar.tsx'
import { useMemory } from './useMemory.ts'

/** For a model that does not fit: its plan on graph paper, with what is too much past the capacity line. */
export function OverflowFigure({ error, path }: { error: ErrorData; path: string | undefined }) {
  const found = useKigo((state) => (path === undefined ? undefined : state.inspected[path]))
  if (error.code !== 'OUT_OF_MEMORY' || path === undefined || !found?.ok) return null
  const { memory } = found.inspection
  // With the context that was refused, whatever the file was judged for since.
  const ctx = Number(error.data?.['nCtx'] ?? memory?.ctx)
  return memory && <Overflow path={path} known={memory} ctx={ctx} />
}

function Overflow({ path, known, ctx }: { path: string; known: MemoryOutlook; ctx: number }) {
  const plan = useMemory(path, known, ctx)
    ?.parts.map(planOf)
    .find(({ over }) => over > 0)
  if (!plan) return null
  return (
    <>
      <figure className="fig graph">
        <PlanBar plan={plan} />
        <span
          className={`cap ${plan.capacity / plan.scale < 0.4 ? 'behind' : ''}`}
          style={{ left: `calc(12px + (100% - 24px) * ${(plan.capacity / plan.scale).toFixed(4)})` }}
        >
          <span>{bytes(plan.capacity)}, all there is</span>
        </span>
      </figure>
      <PlanLegend plan={plan} />
    </>
  )
}
