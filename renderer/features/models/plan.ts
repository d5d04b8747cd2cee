import type { ErrorCode } from '../../../contract/errors.ts'
import type { Inspected } from '../../app/store.ts'
import {
  fits,
  type Inspection,
  type LoadedModel,
  type MemoryOutlook,
  type MemoryPart,
} from '../../../contract/model.ts'
import { DEFAULT_CONTEXT } from '../../../contract/sampling.ts'
import { bytes, count, shortName } from '../../ui/format.ts'

/** What the bar needs of a plan: of the whole, or of the part on one device. */
export type Room = Pick<MemoryOutlook, 'weights' | 'kv' | 'workspace' | 'free' | 'deviceTotal'>

/** Bytes of each part in the order of the bar, the whole that the bar stands for, and what is too much. */
export interface Plan {
  other: number
  weights: number
  workspace: number
  kv: number
  free: number
  over: number
  scale: number
  capacity: number
}

export function planOf(memory: Room): Plan {
  const other = Math.max(0, memory.deviceTotal - memory.free)
  const used = other + memory.weights + memory.workspace + memory.kv
  return {
    other,
    weights: memory.weights,
    workspace: memory.workspace,
    kv: memory.kv,
    free: Math.max(0, memory.deviceTotal - used),
    over: Math.max(0, used - memory.deviceTotal),
    scale: Math.max(memory.deviceTotal, used),
    capacity: memory.deviceTotal,
  }
}

export interface Segment {
  part: 'other' | 'weights' | 'workspace' | 'kv' | 'over'
  share: number
}

/** The bar's segments as shares of its width; what lies past the capacity is one hatched segment. */
export function segments(plan: Plan): Segment[] {
  let end = 0
  const parts: Segment[] = []
  for (const part of ['other', 'weights', 'workspace', 'kv'] as const) {
    const visible = Math.max(0, Math.min(plan[part], plan.capacity - end))
    end += plan[part]
    if (visible > 0) parts.push({ part, share: visible / plan.scale })
  }
  if (plan.over > 0) parts.push({ part: 'over', share: plan.over / plan.scale })
  return parts
}

/** Which part does not fit and by how much, in words; null where all do. */
export function overflowOf({
  parts,
}: Pick<MemoryOutlook, 'parts'>): { part: MemoryPart; words: string } | null {
  const part = parts.find(({ total, free }) => total > free)
  if (!part) return null
  const where = part.device === 'cpu' ? '' : ` on the ${shortName(part.name)}`
  const words = `It needs ${bytes(part.total)}${where}; ${bytes(part.free)} are free. That is ${bytes(part.total - part.free)} too much.`
  return { part, words }
}

export interface Verdict {
  kind: 'ok' | 'warn' | 'no'
  words: string
}

/** Why there is no verdict on a file, where the file is not to blame or not there. */
const UNREAD: Partial<Record<ErrorCode, string>> = {
  MODEL_NOT_FOUND: 'file is gone',
  DEVICE_UNAVAILABLE: 'no such device',
  DEVICE_LOST: 'device is lost',
}

/** A few words for a list; null while the file is being read. */
export function verdict(found: Inspected | undefined): Verdict | null {
  if (found === undefined) return null
  if (!found.ok) return { kind: 'no', words: UNREAD[found.error.code] ?? 'cannot be read' }
  const { memory, problem } = found.inspection
  if (problem !== null && problem.code !== 'OUT_OF_MEMORY') return { kind: 'no', words: 'not supported yet' }
  if (memory === null) return { kind: 'no', words: 'not supported yet' }
  if (fits(memory)) {
    const partly = memory.slowdown !== null && memory.parts.length > 1
    return partly ? { kind: 'warn', words: 'partly on the CPU' } : { kind: 'ok', words: 'fits' }
  }
  if (memory.largestContext > 0)
    return { kind: 'warn', words: `up to ${count(memory.largestContext)} context` }
  const over = memory.parts.reduce((sum, { total, free }) => sum + Math.max(0, total - free), 0)
  return { kind: 'no', words: `${bytes(over)} too big` }
}

/** The context that Kigo takes by itself: min(DEFAULT_CONTEXT, what the model was trained for, what fits). */
export function defaultContext(inspection: Inspection): number {
  const fits =
    inspection.memory === null || inspection.memory.largestContext === 0
      ? Infinity
      : inspection.memory.largestContext
  return Math.min(DEFAULT_CONTEXT, inspection.contextLength, fits)
}

/** Bytes that one more token of context costs, from the plan at hand (exact where no layer has a window). */
export const bytesPerToken = (memory: MemoryOutlook): number => memory.kv / Math.max(1, memory.ctx)

/** A sentence where a context is longer than the model has ever seen; replies there tend to fall apart. */
export const beyondTraining = (ctx: number, { contextLength }: Pick<Inspection, 'contextLength'>): string =>
  contextLength > 0 && ctx > contextLength
    ? `More than the ${count(contextLength)} that it was trained for. `
    : ''

/**
 * The context to load a model with instead of the one it has: twice that, and more where `prompt` tokens leave no room
 * then; as far as training and memory allow. null: there is none that helps.
 */
export function largerContext({ nCtx, inspection }: LoadedModel, prompt: number): number | null {
  let wanted = nCtx * 2
  // A tenth for the reply, at least.
  while (wanted < prompt * 1.1) wanted *= 2
  const larger = Math.min(wanted, inspection.contextLength, inspection.memory?.largestContext ?? 0)
  return larger > Math.max(nCtx, prompt) ? larger : null
}
