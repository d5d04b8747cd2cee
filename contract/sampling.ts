import { z } from 'zod'

/**
 * The samplers, their defaults and their ranges: one table for engine, CLI and settings panel.
 * Order of the chain: penalties, top-k, top-p, min-p, temperature, one draw. Each cut uses the softmax at
 * temperature 1 renormalised over the survivors. Temperature 0 is greedy.
 */
export const Sampling = z.object({
  temperature: z.number().min(0).max(10).default(0.8),
  topK: z.int().min(0).max(1_000_000).default(40), // 0 is off
  topP: z.number().min(0).max(1).default(0.95), // 1 is off
  minP: z.number().min(0).max(1).default(0.05), // 0 is off
  repeatPenalty: z.number().min(0.01).max(10).default(1), // 1 is off
  repeatLastN: z.int().min(0).max(1_000_000).default(64), // tokens back that all three penalties look; 0 is off
  presencePenalty: z.number().min(-10).max(10).default(0), // 0 is off
  frequencyPenalty: z.number().min(-10).max(10).default(0), // 0 is off
  /** null: a fresh random seed a reply; it is reported with the reply. */
  seed: z.int().min(0).max(0xffff_ffff).nullable().default(null),
})
export type Sampling = z.output<typeof Sampling>

export const SAMPLING_DEFAULTS: Sampling = Sampling.parse({})

/** What the settings panel edits: samplers and the rest of how a reply is made. */
export const ChatSettings = Sampling.extend({
  systemPrompt: z.string().max(1_000_000).default(''),
  stop: z.array(z.string().min(1).max(1000)).max(16).default([]),
  /** null: no limit but the context. */
  maxTokens: z.int().min(1).max(10_000_000).nullable().default(null),
})
export type ChatSettings = z.output<typeof ChatSettings>
export const CHAT_SETTINGS_DEFAULTS: ChatSettings = ChatSettings.parse({})

/** Tokens: what a context has at least and at most, and where nobody asks for another and model and memory allow. */
export const SMALLEST_CONTEXT = 16
export const LARGEST_CONTEXT = 10_000_000
export const DEFAULT_CONTEXT = 8192

/** How a model is loaded; a change takes effect at the next load. null: chosen by Kigo. */
export const LoadSettings = z.object({
  /** null: min(DEFAULT_CONTEXT, model, what fits). */
  contextLength: z.int().min(SMALLEST_CONTEXT).max(LARGEST_CONTEXT).nullable().default(null),
  threads: z.int().min(1).max(1024).nullable().default(null), // null: physical cores the process may use
  /** 'auto' (the fastest that fits), 'cpu', or GPUs: 'cuda:0', 'cuda:0,1'. */
  device: z
    .string()
    .regex(/^[a-z]+(:\d+(,\d+)*)?$/)
    .max(64)
    .default('auto'),
  gpuLayers: z.int().min(0).max(10_000).nullable().default(null), // null: as many as fit, or all on a GPU asked for
  /** A Jinja template in place of every model's own; blank: none. */
  chatTemplate: z.string().max(200_000).default(''),
})
export type LoadSettings = z.output<typeof LoadSettings>
export const LOAD_SETTINGS_DEFAULTS: LoadSettings = LoadSettings.parse({})

/**
 * Some fields of `schema`, with no default filled in: what a form sends that changed one field. (`.partial()`
 * would fill in the defaults of the fields that were left out, and so reset them.)
 */
export function patchOf<S extends z.ZodObject>(
  schema: S,
): z.ZodType<Partial<z.output<S>>, Partial<z.output<S>>> {
  const shape: Record<string, z.ZodType> = {}
  for (const [name, field] of Object.entries(schema.shape)) {
    const inner = field instanceof z.ZodDefault ? field.unwrap() : field
    shape[name] = z.exactOptional(inner)
  }
  return z.object(shape) as unknown as z.ZodType<Partial<z.output<S>>, Partial<z.output<S>>>
}

export const ChatSettingsPatch = patchOf(ChatSettings)
export const LoadSettingsPatch = patchOf(LoadSettings)
