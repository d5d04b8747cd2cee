/** What the window and the command line show of models and devices. Plain data. */
import type { ErrorData } from './errors.ts'

/** `kigo inspect --json`, one per file; the window's card is made of it too. */
export interface Inspection {
  file: string
  architecture: string
  /** general.name, else the file's name without extension. */
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
  /** The plan for `ctx` on `device`; null where the engine cannot run the model (then `problem` says why). */
  memory: {
    device: string
    ctx: number
    weights: number
    kv: number
    workspace: number
    total: number
    /** Largest context that fits into what is free now; 0: not even the smallest. */
    largestContext: number
    free: number
    deviceTotal: number
  } | null
  /** Why this build cannot run the model, though its header is sound. */
  problem: ErrorData | null
  /** Every scalar of the header (arrays are left out; long strings are cut at 4,096 characters). */
  metadata: Record<string, string | number | boolean>
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
  problem?: string
}

export interface Device {
  id: string
  name: string
  totalBytes: number
  freeBytes: number
  detail: string
  threads: number
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
  nCtx: number
  threads: number
  loadMs: number
}

export interface RecentModel {
  path: string
  name: string
  quantization: string
  fileBytes: number
  /** ISO time of the last load. */
  usedAt: string
  /** false: the file is not there any more. */
  exists: boolean
}
