/** GGUF files that hold something else than a language model. */
import { KigoError } from '../../contract/errors.ts'
import type { Metadata } from '../gguf/index.ts'

interface Kind {
  /** Completes "This file is …, not a language model." */
  what: string
  hint: string
  is: (file: { type: unknown; architecture: unknown; has: (prefix: string) => boolean }) => boolean
}

const THE_MODEL = 'Choose the file of the model itself.'

const KINDS: readonly Kind[] = [
  {
    what: 'an importance matrix (imatrix), which only helps to quantise a model',
    hint: THE_MODEL,
    is: ({ type, architecture, has }) => type === 'imatrix' || architecture === 'imatrix' || has('imatrix.'),
  },
  {
    what: 'the vision part of a model (mmproj)',
    hint: `${THE_MODEL} It lies beside this one, without mmproj in its name; Kigo reads text alone.`,
    is: ({ type, architecture }) => type === 'mmproj' || architecture === 'clip',
  },
  {
    what: 'an adapter (LoRA)',
    hint: THE_MODEL,
    is: ({ type, has }) => type === 'adapter' || has('adapter.'),
  },
  {
    what: 'a control vector',
    hint: THE_MODEL,
    is: ({ architecture }) => architecture === 'controlvector',
  },
]

/** UNSUPPORTED_ARCHITECTURE with what it is; null where nothing says that it is no language model. */
export function notAModel(metadata: Metadata): KigoError | null {
  const type = metadata.get('general.type')
  const architecture = metadata.get('general.architecture')
  const keys = [...metadata.keys()]
  const has = (prefix: string): boolean =>
    architecture === undefined && keys.some((key) => key.startsWith(prefix))
  const kind = KINDS.find(({ is }) => is({ type, architecture, has }))
  if (!kind) return null
  return new KigoError('UNSUPPORTED_ARCHITECTURE', `This file is ${kind.what}, not a language model.`, {
    hint: kind.hint,
    data: { key: 'general.type', architecture: typeof architecture === 'string' ? architecture : null },
  })
}
