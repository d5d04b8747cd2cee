import { useEffect, useState } from 'react'
import type { MemoryOutlook, MemoryPlan } from '../../../contract/model.ts'
import { request } from '../../app/bridge.ts'

interface Answer {
  /** What was known when it was asked: a file that is judged anew makes the answer an old one. */
  known: MemoryOutlook
  ctx: number
  memory: MemoryOutlook | null
}

/** The plan of a file for another context than the one it is `known` for: scaled at once, exact when main has answered. */
export function useMemory(path: string, known: MemoryOutlook | null, ctx: number): MemoryOutlook | null {
  const [answer, setAnswer] = useState<Answer | null>(null)
  const answered = answer?.known === known && answer?.ctx === ctx
  const asks = known !== null && known.ctx !== ctx && !answered
  useEffect(() => {
    if (!asks) return
    let wanted = true
    const timer = setTimeout(() => {
      void request('model.inspect', { path, contextLength: ctx }).then((result) => {
        if (wanted && result.ok) setAnswer({ known, ctx, memory: result.data.memory })
      })
    }, 150)
    return () => {
      wanted = false
      clearTimeout(timer)
    }
  }, [asks, path, known, ctx])
  if (known === null || known.ctx === ctx) return known
  if (answered) return answer.memory
  const scaled = <T extends MemoryPlan>(plan: T): T => {
    const kv = (plan.kv / Math.max(1, known.ctx)) * ctx
    return { ...plan, kv, total: plan.total - plan.kv + kv }
  }
  return { ...scaled(known), ctx, parts: known.parts.map(scaled) }
}
