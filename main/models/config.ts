/** From a header to what the engine needs to know: hyperparameters checked, defaults filled in, a row per layer. */
import { KigoError } from '../../contract/errors.ts'
import type { LayerConfig, ModelConfig } from '../engine/addon.ts'
import type { Gguf, Metadata } from '../gguf/index.ts'
import {
  checkInteger,
  entriesOf,
  flagOf,
  integerOf,
  invalidKey,
  numberOf,
  quote,
  raiseMissing,
  requiredInteger,
  requiredNumber,
  textOf,
  type Range,
} from '../gguf/metadata.ts'
import { checkVocabulary } from '../gguf/vocabulary.ts'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import { isWithin, MODEL_LIMITS } from './limits.ts'
import { notAModel } from './not-a-model.ts'

const POSITIVE: Range = { min: 1e-9, max: 1e12 }
const COUNT_OR_0: Range = { min: 0, max: MODEL_LIMITS.context.max }

/**
 * The configuration that a header asks for. Throws UNSUPPORTED_ARCHITECTURE for an architecture, or an option of
 * one, that the engine does not run, and MODEL_INVALID for numbers that cannot be.
 */
export function modelConfig(gguf: Gguf): ModelConfig {
  const { metadata } = gguf
  const other = notAModel(metadata)
  if (other) throw other
  const name = architectureName(metadata)
  const architecture = findArchitecture(name)
  refuseOptions(metadata, name)

  const nLayer = requiredInteger(metadata, `${name}.block_count`, MODEL_LIMITS.layers)
  const nEmbd = requiredInteger(metadata, `${name}.embedding_length`, MODEL_LIMITS.embd)
  const logitSoftcap = architecture.logitSoftcap
    ? numberOf(metadata, `${name}.final_logit_softcapping`, MODEL_LIMITS.softcap)
    : 0
  return {
    architecture: name,
    nLayer,
    nEmbd,
    nVocab: vocabularySize(metadata, name),
    nCtxTrain: requiredInteger(metadata, `${name}.context_length`, MODEL_LIMITS.context),
    normEps: normEpsilon(metadata, name, architecture),
    embeddingScale: architecture.scaledEmbedding ? Math.sqrt(nEmbd) : 1,
    logitSoftcap: logitSoftcap ?? 0,
    layers: layerConfigs(metadata, name, architecture, nLayer, nEmbd),
  }
}

/** general.architecture, whether Kigo runs it or not. */
function architectureName(metadata: Metadata): string {
  const name = textOf(metadata, 'general.architecture')
  if (!name) throw invalidKey('general.architecture', 'is missing')
  if (!/^[\w.-]{1,64}$/.test(name))
    throw invalidKey('general.architecture', `is ${quote(name)}, no name of an architecture`)
  return name
}

function findArchitecture(name: string): Architecture {
  const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined
  if (!architecture)
    throw new KigoError('UNSUPPORTED_ARCHITECTURE', `Kigo does not run the architecture ${name} yet.`, {
      hint: `It runs ${Object.keys(ARCHITECTURES).join(', ')}: choose a model of one of these.`,
      data: { architecture: name, key: 'general.architecture' },
    })
  return architecture
}

/** Options that change what a model computes and that the engine does not have. */
function refuseOptions(metadata: Metadata, name: string): void {
  if (integerOf(metadata, `${name}.expert_count`, COUNT_OR_0)) {
    throw unsupported(
      name,
      'This model has experts (a mixture of experts), which Kigo does not run yet.',
      `${name}.expert_count`,
    )
  }
  if (flagOf(metadata, `${name}.attention.causal`) === false) {
    throw unsupported(
      name,
      'This is an embedding model (its attention looks both ways); it writes no text.',
      `${name}.attention.causal`,
    )
  }
}

function vocabularySize(metadata: Metadata, name: string): number {
  const vocabulary = checkVocabulary(metadata)
  if (vocabulary) return vocabulary.size
  const key = `${name}.vocab_size`
  const size = integerOf(metadata, key, MODEL_LIMITS.vocab)
  if (size === undefined) throw invalidKey('tokenizer.ggml.tokens', `is missing, and so is ${key}`)
  return size
}

function layerConfigs(
  metadata: Metadata,
  name: string,
  arch: Architecture,
  nLayer: number,
  nEmbd: number,
): LayerConfig[] {
  const nHead = requiredPerLayer(metadata, `${name}.attention.head_count`, nLayer, MODEL_LIMITS.heads)
  const nHeadKv = perLayer(metadata, `${name}.attention.head_count_kv`, nLayer, MODEL_LIMITS.heads) ?? nHead
  const nFf = requiredPerLayer(metadata, `${name}.feed_forward_length`, nLayer, MODEL_LIMITS.ff)
  nHead.forEach((heads, layer) => {
    if (heads % nHeadKv[layer]! === 0) return
    throw invalidKey(
      `${name}.attention.head_count`,
      `is ${heads}, no multiple of the ${nHeadKv[layer]} key/value heads`,
      { layer },
    )
  })

  const headDim = headSize(metadata, name, arch, nEmbd, nHead[0]!)
  const nRot = rotatedDims(metadata, name, arch, headDim)
  const ropeBase =
    firstNumber(
      metadata,
      [`${name}.rope.freq_base`, `${name}.rope.global.freq_base`],
      MODEL_LIMITS.ropeBase,
    ) ?? (lacksOwnNumbers(metadata, name, arch) ? arch.own!.ropeBase : 10_000)
  const scaling = ropeScaling(metadata, name)
  const sliding = slidingLayers(metadata, name, arch, nLayer)
  const slidingBase = arch.sliding
    ? (firstNumber(
        metadata,
        [`${name}.rope.freq_base_swa`, `${name}.rope.local.freq_base`],
        MODEL_LIMITS.ropeBase,
      ) ?? arch.sliding.ropeBase)
    : ropeBase
  const queryDim = nLayer === arch.embeddingScaledQueries ? nEmbd / nHead[0]! : headDim

  return Array.from({ length: nLayer }, (_, layer) => {
    const slides = sliding.layers[layer]!
    return {
      mixer: 'attention',
      ffn: 'dense',
      nHead: nHead[layer]!,
      nHeadKv: nHeadKv[layer]!,
      headDim,
      nFf: nFf[layer]!,
      activation: arch.activation,
      rope: arch.rope,
      nRot,
      ropeBase: slides ? slidingBase : ropeBase,
      // A sliding layer's angles are never scaled; attn_factor holds for every layer.
      ropeScale: slides ? 1 : scaling.scale,
      yarnOriginalCtx: slides ? 0 : scaling.yarnOriginalCtx,
      ropeMscale: slides ? scaling.attnFactor : scaling.attnFactor * scaling.yarnFactor,
      ropeFreqs: arch.ropeFreqs,
      attnScale: 1 / Math.sqrt(queryDim),
      attnSoftcap: 0,
      window: slides ? sliding.window : 0,
    }
  })
}

/** The first of several names of a number that the file has. */
function firstNumber(metadata: Metadata, keys: readonly string[], range: Range): number | undefined {
  const key = keys.find((name) => metadata.has(name))
  return key === undefined ? undefined : numberOf(metadata, key, range)
}

const epsilonKey = (name: string): string => `${name}.attention.layer_norm_rms_epsilon`

function normEpsilon(metadata: Metadata, name: string, arch: Architecture): number {
  if (lacksOwnNumbers(metadata, name, arch)) return arch.own!.normEps
  return requiredNumber(metadata, epsilonKey(name), MODEL_LIMITS.normEps)
}

/** Is it a file of a program that leaves out what all models of the architecture have in common? */
export function lacksOwnNumbers(metadata: Metadata, name: string, { own }: Architecture): boolean {
  return own !== null && !metadata.has(epsilonKey(name))
}

/** One number for all layers, or an array with a number per layer. */
function perLayer(metadata: Metadata, key: string, nLayer: number, range: Range): number[] | undefined {
  const value = metadata.get(key)
  if (value === undefined) return undefined
  const entries = entriesOf(value)
  if (!entries) return new Array<number>(nLayer).fill(checkInteger(key, value, range))
  if (entries.length !== nLayer) throw invalidKey(key, `has ${entries.length} entries for ${nLayer} layers`)
  return entries.map((entry) => checkInteger(key, entry, range))
}

function requiredPerLayer(metadata: Metadata, key: string, nLayer: number, range: Range): number[] {
  return perLayer(metadata, key, nLayer, range) ?? raiseMissing(key)
}

function headSize(
  metadata: Metadata,
  name: string,
  arch: Architecture,
  nEmbd: number,
  nHead: number,
): number {
  const keyLength = integerOf(metadata, `${name}.attention.key_length`, MODEL_LIMITS.headDim)
  const headDim = (arch.headDim === 'keyLength' ? keyLength : undefined) ?? nEmbd / nHead
  if (!Number.isInteger(headDim) || !isWithin(headDim, MODEL_LIMITS.headDim)) {
    throw invalidKey(`${name}.attention.head_count`, `is ${nHead}, which gives heads of ${headDim} values`)
  }
  for (const key of [`${name}.attention.key_length`, `${name}.attention.value_length`]) {
    const length = integerOf(metadata, key, MODEL_LIMITS.headDim) ?? headDim
    if (length !== headDim)
      throw unsupported(name, `Kigo does not run ${key} ${length} with heads of ${headDim} values.`, key)
  }
  return headDim
}

function rotatedDims(metadata: Metadata, name: string, arch: Architecture, headDim: number): number {
  const key = `${name}.rope.dimension_count`
  const nRot = integerOf(metadata, key, { min: 2, max: headDim }) ?? headDim
  if (nRot % 2 !== 0) throw invalidKey(key, `is ${nRot}; dimensions turn in pairs`)
  if (arch.wholeHead && nRot !== headDim)
    throw invalidKey(key, `is ${nRot}; ${name} turns whole heads, of ${headDim} values`)
  return nRot
}

interface RopeScaling {
  /** Angles are multiplied by it. */
  scale: number
  /** 0: no YaRN. */
  yarnOriginalCtx: number
  /** cos and sin: rope.scaling.attn_factor, under any type. */
  attnFactor: number
  /** cos and sin: YaRN's own factor. */
  yarnFactor: number
}

function ropeScaling(metadata: Metadata, name: string): RopeScaling {
  const prefix = `${name}.rope.scaling`
  const type = textOf(metadata, `${prefix}.type`) ?? 'linear'
  // A factor of 0 means none.
  const factor =
    firstNumber(metadata, [`${prefix}.factor`, `${name}.rope.scale_linear`], { min: 0, max: Infinity }) || 1
  const attnFactor = numberOf(metadata, `${prefix}.attn_factor`, POSITIVE) ?? 1
  const scaling = (scale: number, yarnOriginalCtx = 0, yarnFactor = 1): RopeScaling => {
    if (!isWithin(scale, MODEL_LIMITS.ropeScale))
      throw invalidKey(`${prefix}.factor`, `is ${factor}, beyond every use`)
    if (![attnFactor, attnFactor * yarnFactor].every((value) => isWithin(value, MODEL_LIMITS.ropeMscale)))
      throw invalidKey(`${prefix}.attn_factor`, `is ${attnFactor}, beyond every use`)
    return { scale, yarnOriginalCtx, attnFactor, yarnFactor }
  }
  if (type === 'none') return scaling(1)
  if (type === 'linear') return scaling(1 / factor)
  if (type === 'yarn') {
    const yarnOriginalCtx =
      integerOf(metadata, `${prefix}.original_context_length`, MODEL_LIMITS.context) ??
      integerOf(metadata, `${name}.context_length`, MODEL_LIMITS.context) ??
      0
    return scaling(1 / factor, yarnOriginalCtx, 1 + 0.1 * Math.log(factor))
  }
  throw unsupported(name, `Kigo does not run the RoPE scaling ${quote(type)} yet.`, `${prefix}.type`)
}

/** Which layers slide, and how far they see. */
function slidingLayers(
  metadata: Metadata,
  name: string,
  arch: Architecture,
  nLayer: number,
): { window: number; layers: boolean[] } {
  const all = (slides: boolean) => new Array<boolean>(nLayer).fill(slides)
  if (!arch.sliding) return { window: 0, layers: all(false) }
  const window = integerOf(metadata, `${name}.attention.sliding_window`, COUNT_OR_0) ?? 0
  if (window === 0) return { window, layers: all(false) }

  const key = `${name}.attention.sliding_window_pattern`
  const pattern = metadata.get(key)
  const entries = pattern === undefined ? undefined : entriesOf(pattern)
  if (entries) {
    if (entries.length !== nLayer) throw invalidKey(key, `has ${entries.length} entries for ${nLayer} layers`)
    return {
      window,
      layers: entries.map(
        (entry) => entry === true || (entry !== false && checkInteger(key, entry, { min: 0, max: 1 }) === 1),
      ),
    }
  }
  const period = integerOf(metadata, key, COUNT_OR_0) ?? arch.sliding.period
  return { window, layers: all(true).map((_, layer) => period === 0 || (layer + 1) % period !== 0) }
}

function unsupported(architecture: string, problem: string, key: string): KigoError {
  return new KigoError('UNSUPPORTED_ARCHITECTURE', problem, { data: { architecture, key } })
}
