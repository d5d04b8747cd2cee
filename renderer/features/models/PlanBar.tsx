import { bytes, percent } from '../../ui/format.ts'
import { segments, type Plan } from './plan.ts'

const say = (plan: Plan, of: string): string =>
  `Memory${of}: ${bytes(plan.other)} other programs, ${bytes(plan.weights)} weights, ${bytes(plan.workspace)} workspace, ` +
  `${bytes(plan.kv)} KV cache, ${plan.over > 0 ? `${bytes(plan.over)} too much` : `${bytes(plan.free)} free`}`

/** Memory as a stacked bar. Hatch, tone and the legend say it without colour; the label says it in words. */
export function PlanBar({ plan, of = '', small = false }: { plan: Plan; of?: string; small?: boolean }) {
  return (
    <span
      className={`plan ${small ? 'small' : ''}`}
      role="img"
      aria-label={say(plan, of === '' ? '' : ` of ${of}`)}
    >
      {segments(plan).map(({ part, share }) => (
        <i key={part} className={`p-${part}`} style={{ width: percent(share) }} />
      ))}
    </span>
  )
}

/** Each part with its figure. */
export function PlanLegend({ plan }: { plan: Plan }) {
  const rows: [string, string, number][] = [
    ['other', 'Other programs', plan.other],
    ['weights', 'Weights', plan.weights],
    ['workspace', 'Workspace', plan.workspace],
    ['kv', 'KV cache', plan.kv],
    plan.over > 0 ? ['over', 'Over by', plan.over] : ['free', 'Free', plan.free],
  ]
  return (
    <dl className="legend">
      {rows.map(([part, label, size]) => (
        <div key={part}>
          <i className={`swatch p-${part}`} aria-hidden />
          <dt>{label}</dt>
          <dd>{bytes(size)}</dd>
        </div>
      ))}
    </dl>
  )
}
