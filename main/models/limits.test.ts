/** The limits of those who read headers and of the engine, which checks again, are the same. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ModelConfig, ModelDescription } from '../engine/addon.ts'
import { loadAddon } from '../engine/load.ts'
import { LIMITS } from '../gguf/limits.ts'
import { resourcePath } from '../resources.ts'
import { MODEL_LIMITS } from './limits.ts'

const source = readFileSync(path.join(import.meta.dirname, '../../native/core/limits.h'), 'utf8')

it('limits.h has the numbers of limits.ts', () => {
  const constants = Object.fromEntries(
    [...source.matchAll(/inline constexpr \w+ k(\w+) = ([\d.e-]+);/g)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  )
  const {
    layers,
    embd,
    ff,
    vocab,
    heads,
    headDim,
    context,
    ropeBase,
    ropeScale,
    ropeMscale,
    softcap,
    normEps,
  } = MODEL_LIMITS
  expect(constants).toEqual({
    MaxLayers: layers.max,
    MaxEmbd: embd.max,
    MaxFf: ff.max,
    MaxVocab: vocab.max,
    MaxHeads: heads.max,
    MaxHeadDim: headDim.max,
    MaxContext: context.max,
    MaxFiles: LIMITS.splitParts,
    MaxTensors: LIMITS.tensors,
    MinRopeBase: ropeBase.min,
    MaxRopeBase: ropeBase.max,
    MinRopeScale: ropeScale.min,
    MaxRopeScale: ropeScale.max,
    MaxRopeMscale: ropeMscale.max,
    MaxSoftcap: softcap.max,
    MaxNormEps: normEps.max,
  })
  expect(ropeMscale.min).toBe(-ropeMscale.max)
})

/** A model of one layer whose tensors are as large as it says, in a file that is never read. */
function description(
  change: Partial<ModelConfig>,
  layerChange: Partial<ModelConfig['layers'][0]>,
): ModelDescription {
  const layer = {
    ...{ mixer: 'attention', ffn: 'dense', activation: 'silu', rope: 'norm' },
    ...{ nHead: 1, nHeadKv: 1, headDim: 8, nFf: 8, nRot: 8, ropeBase: 1e4, ropeScale: 1, ropeMscale: 1 },
    ...{ yarnOriginalCtx: 0, ropeFreqs: false, attnScale: 1, attnSoftcap: 0, window: 0 },
    ...layerChange,
  } as ModelConfig['layers'][0]
  const config = {
    ...{
      architecture: 'llama',
      nEmbd: 8,
      nVocab: 8,
      nCtxTrain: 64,
      normEps: 1e-5,
      embeddingScale: 1,
      logitSoftcap: 0,
    },
    ...change,
  }
  const nLayer = change.nLayer ?? 1
  const { nEmbd, nVocab } = config
  const { nHead, nHeadKv, headDim, nFf } = layer
  const shapes: Record<string, number[]> = {
    'token_embd.weight': [nEmbd, nVocab],
    'output_norm.weight': [nEmbd],
  }
  for (let i = 0; i < nLayer; i++) {
    Object.assign(shapes, {
      [`blk.${i}.attn_norm.weight`]: [nEmbd],
      [`blk.${i}.ffn_norm.weight`]: [nEmbd],
      [`blk.${i}.attn_q.weight`]: [nEmbd, nHead * headDim],
      [`blk.${i}.attn_k.weight`]: [nEmbd, nHeadKv * headDim],
      [`blk.${i}.attn_v.weight`]: [nEmbd, nHeadKv * headDim],
      [`blk.${i}.attn_output.weight`]: [nHead * headDim, nEmbd],
      [`blk.${i}.ffn_gate.weight`]: [nEmbd, nFf],
      [`blk.${i}.ffn_up.weight`]: [nEmbd, nFf],
      [`blk.${i}.ffn_down.weight`]: [nFf, nEmbd],
    })
  }
  const tensors = Object.entries(shapes).map(([name, dims]) => ({
    ...{ name, type: 0, dims, file: 0, offset: 0 },
    bytes: 4 * dims.reduce((product, dim) => product * dim, 1),
  }))
  return {
    config: { ...config, nLayer, layers: Array.from({ length: nLayer }, () => layer) },
    tensors,
    files: [{ path: '/nowhere', bytes: 2 ** 50, mtimeMs: 0 }],
  }
}

describe.skipIf(!existsSync(resourcePath('native/kigo.node')))(
  'the engine plans for all that a header may ask for, and for no more (skipped where dist is not built)',
  () => {
    const plan = (model: ModelDescription): unknown =>
      loadAddon().planner(model, { exact: false, threads: 1 })(
        [{ device: 'cpu', layerFirst: 0, layerLast: model.config.nLayer }],
        { nCtx: 16, nBatch: 16 },
      )
    const L = MODEL_LIMITS

    it.each<[string, (value: number) => ModelDescription, number, number]>([
      ['layers', (nLayer) => description({ nLayer }, {}), L.layers.max, L.layers.max + 1],
      ['the width', (nEmbd) => description({ nEmbd }, {}), L.embd.max, L.embd.max + 8],
      ['the vocabulary', (nVocab) => description({ nVocab }, {}), L.vocab.max, L.vocab.max + 1],
      ['the FFN', (nFf) => description({}, { nFf }), L.ff.max, L.ff.max + 8],
      ['heads', (nHead) => description({}, { nHead }), L.heads.max, L.heads.max + 1],
      [
        'the trained context',
        (nCtxTrain) => description({ nCtxTrain }, {}),
        L.context.min,
        L.context.min - 1,
      ],
      ['the epsilon', (normEps) => description({ normEps }, {}), L.normEps.max, 1.01],
      ['the soft cap', (logitSoftcap) => description({ logitSoftcap }, {}), L.softcap.max, 1.01e6],
      ['a small base', (ropeBase) => description({}, { ropeBase }), L.ropeBase.min, 1],
      ['a large base', (ropeBase) => description({}, { ropeBase }), L.ropeBase.max, 1.01e12],
      ['a small scale', (ropeScale) => description({}, { ropeScale }), L.ropeScale.min, 0.99e-6],
      ['a large scale', (ropeScale) => description({}, { ropeScale }), L.ropeScale.max, 1.01e6],
      ['a magnitude', (ropeMscale) => description({}, { ropeMscale }), L.ropeMscale.max, 1.01e6],
      ['a negative magnitude', (ropeMscale) => description({}, { ropeMscale }), L.ropeMscale.min, -1.01e6],
    ])('%s', (_, model, most, tooMuch) => {
      expect(plan(model(most))).toMatchObject({ total: expect.any(Number) })
      expect(() => plan(model(tooMuch))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(MODEL_INVALID|INVALID_INPUT)$/) }),
      )
    })
  },
)
