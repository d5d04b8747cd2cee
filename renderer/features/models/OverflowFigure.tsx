import type { ErrorData } from '../../../contract/errors.ts'
import { useKigo } from '../../app/store.ts'
import { bytes } from '../../ui/format.ts'
import { planOf } from './plan.ts'
import { PlanBar, PlanLegend } from './PlanBar.tsx'

/** For a model that does not fit: its plan on graph paper, with what is too much past the capacity line. */
export function OverflowFigure({ error, path }: { error: ErrorData; path: string | undefined }) {
  const found = useKigo((state) => (path === undefined ? undefined : state.inspected[path]))
  if (error.code !== 'OUT_OF_MEMORY' || !found?.ok || found.inspection.memory === null) return null
  const plan = found.inspection.memory.parts.map(planOf).find(({ over }) => over > 0)
  if (!plan) return null
  return (
    <>
      <figure className="fig graph">
        <PlanBar plan={plan} />
        <span
          className="cap"
          style={{ left: `calc(12px + (100% - 24px) * ${(plan.capacity / plan.scale).toFixed(4)})` }}
        >
          <span>{bytes(plan.capacity)}, all there is</span>
        </span>
      </figure>
      <PlanLegend plan={plan} />
    </>
  )
}
