import { Check, Minus, X } from 'lucide-react'
import { Icon } from '../../ui/Icon.tsx'
import type { Verdict } from './plan.ts'

const MARKS = { ok: Check, warn: Minus, no: X }

export function VerdictMark({ verdict }: { verdict: Verdict | null }) {
  if (verdict === null) return null
  return (
    <span className={`verd ${verdict.kind}`}>
      <Icon of={MARKS[verdict.kind]} size={13} />
      {verdict.words}
    </span>
  )
}
