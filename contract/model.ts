/** What the window and the command line show of models and devices. Plain data. */
import type { ErrorData } from './errors.ts'

/** `kigo inspect --json`, one per file; the window's card is made of it too. */
export interface Inspection {
  file: string
  architecture: string
  /** general.name, else the file's name without extension; of the model that comes with Kigo the name it is known by. */
  name: string
  /** As llama.cpp names mixes: Q4_K_M, Q8_0, F16…; from general.file_type, else the type with most bytes. */
  quantization: string
  parameters: number
  contextLength: number
  layers: number
  fileBytes: number
  tensors: { count: number; byType: Record<string, { count: number; bytes: number }> }
  vocabulary: { model: string; pre: string | null; size: number }
  chatTemplate: ChatTemplateVerdict
  /** The plan for `ctx` on the devices chosen; null where the engine cannot run the model (`problem` says why). */
  memory: MemoryOutlook | null
  /** Why this build cannot run the model, though its header is sound. */
  problem: ErrorData | null
  /** What is odd about a model that runs all the same, a sentence or two each. */
  notes: string[]
  /** Every scalar of the header (arrays are left out; long strings are cut at 4,096 characters). */
  metadata: Record<string, string | number | boolean>
}

/** Layers [layerFirst, layerLast) on a device. A list of them holds all layers of a model, in order. */
export interface Placement {
  device: string
  layerFirst: number
  layerLast: number
}

/** Bytes. */
export interface MemoryPlan {
  weights: number
  kv: number
  workspace: number
  total: number
}

/** What a part of a model takes on its device, and what that device has. */
export interface MemoryPart extends MemoryPlan, Placement {
  /** The device's own name. */
  name: string
  /** That a model can have: what the device's driver will take itself is none of it. */
  free: number
  deviceTotal: number
}

/** What a model takes, where, and what there is. `free` and `deviceTotal` are of all devices that it uses. */
export interface MemoryOutlook extends MemoryPlan {
  /** 'cpu', 'cuda:0'; of several parts 'cuda:0 + cpu'. */
  device: string
  ctx: number
  /** Prompt tokens computed at once. */
  batch: number
  /**
   * Largest context that fits into what is free now, on the devices asked for, whatever the model was trained for; 0: not
   * even the smallest.
   */
  largestContext: number
  free: number
  deviceTotal: number
  /** In the order of the layers. What passes between parts is workspace of the whole and of none of them. */
  parts: MemoryPart[]
  /**
   * Where a GPU is here and layers are on the CPU all the same: about how many times longer a token takes than with
   * all of them on the GPU. An estimate, from the layers and bytes that each side works through and nominal bandwidths.
   */
  slowdown: number | null
  /** Why a GPU that is here takes no part though Kigo chose where to run: it cannot compute this model. Else null. */
  gpuRefusal: string | null
}

/** What several devices of one kind are asked for by: 'cuda:0,1' of 'cuda:0' and 'cuda:1'. */
export function together(ids: readonly string[]): string {
  const [kind = ''] = (ids[0] ?? '').split(':')
  return `${kind}:${ids.map((id) => id.split(':')[1]).join(',')}`
}

/** Does every part fit into what its device has free? */
export function fits({ parts }: Pick<MemoryOutlook, 'parts'>): boolean {
  return parts.every(({ total, free }) => total <= free)
}

/**
 * "All 24 layers on NVIDIA H200", "18 of 32 layers on NVIDIA RTX 4070, the rest on the CPU: expect it about 5 times
 * slower than all on the GPU, by estimate", "All 24 layers on the CPU, and none on the GPU: a matrix of this model …".
 */
export function whereItRuns({
  parts,
  slowdown = null,
  gpuRefusal = null,
}: Pick<MemoryOutlook, 'parts'> & Partial<Pick<MemoryOutlook, 'slowdown' | 'gpuRefusal'>>): string {
  const name = (part: MemoryPart): string => (part.device === 'cpu' ? 'the CPU' : part.name)
  const layers = parts.at(-1)?.layerLast ?? 0
  const places = parts.map((part, i) => {
    const held = part.layerLast - part.layerFirst
    if (i === 0 && held === layers)
      return `${layers === 1 ? 'The one layer' : `All ${layers} layers`} on ${name(part)}`
    if (i === 0) return `${held} of ${layers} layers on ${name(part)}`
    return `${part.device === 'cpu' ? 'the rest' : held} on ${name(part)}`
  })
  const slower =
    slowdown !== null && slowdown >= 1.15
      ? `: expect it about ${slowdown < 2.5 ? slowdown.toFixed(1) : Math.round(slowdown)} times slower than all on the GPU, by estimate`
      : ''
  const onGpu = parts.some(({ device }) => device !== 'cpu')
  const refused =
    gpuRefusal === null || onGpu
      ? ''
      : `, and none on the GPU: ${gpuRefusal.charAt(0).toLowerCase()}${gpuRefusal.slice(1).replace(/\.$/, '')}`
  return `${places.join(', ')}${slower}${refused}`
}

export interface ChatTemplateVerdict {
  /** The file holds a template. */
  present: boolean
  /** It renders the sample conversation. */
  ok: boolean
  thinking: boolean
  /** The template takes a system role; false: the system prompt is merged into the first user turn. */
  system: boolean
  /** What Kigo does: the file's template, ChatML in its place, or plain completion (a base model). */
  mode: 'template' | 'chatml' | 'completion'
  /** A person gave the template that is used; the file's own is not. */
  given?: boolean
  problem?: string
}

export interface Device {
  id: string
  name: string
  totalBytes: number
  /** That a model can have: what the device's driver will take itself is none of it. */
  freeBytes: number
  detail: string
  threads: number
  /** Why it cannot be used now: it was lost. */
  problem: string | null
}

export interface DeviceList {
  /** GPUs first, the CPU last. */
  devices: Device[]
  /** Why no GPU can be used; null where one can. */
  noGpu: ErrorData | null
}

export type ModelState =
  | { status: 'none'; lastPath: string | null; lastName: string | null }
  | { status: 'loading'; path: string; name: string; doneBytes: number; totalBytes: number }
  | { status: 'loaded'; model: LoadedModel }
  | { status: 'failed'; path: string; name: string; error: ErrorData }

export interface LoadedModel {
  path: string
  inspection: Inspection
  device: string
  placements: Placement[]
  /** What the load asked for. */
  asked: { device: string; gpuLayers: number | null; chatTemplate: string }
  nCtx: number
  threads: number
  loadMs: number
}

export interface RecentModel {
  path: string
  name: string
  quantization: string
  fileBytes: number
  /** ISO time of the last load; '' where it is not known. */
  usedAt: string
  /** false: the file is not there any more. */
  exists: boolean
}
