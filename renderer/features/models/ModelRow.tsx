import type { LoadedModel, RecentModel } from '../../../contract/model.ts'
import { useKigo } from '../../app/store.ts'
import { bytes, day } from '../../ui/format.ts'
import { verdict } from './plan.ts'
import { VerdictMark } from './VerdictMark.tsx'

interface Props {
  model: RecentModel
  /** What is said instead of when it was used. */
  note?: string
  /** The model in use, where this is it. */
  loaded: LoadedModel | null
  pressed: boolean
  onChoose: () => void
}

export function ModelRow({ model, note, loaded, pressed, onChoose }: Props) {
  const found = useKigo((state) => state.inspected[model.path])
  const verd = model.exists ? verdict(found) : ({ kind: 'no', words: 'file is gone' } as const)
  return (
    <button className="model" aria-pressed={pressed} onClick={onChoose} title={model.path}>
      <span className="name cut" dir="auto">
        {model.name}
      </span>
      <span className="size">{bytes(model.fileBytes)}</span>
      <span className="meta">
        <span className="mono">{model.quantization}</span>
        {loaded !== null ? 'loaded' : (note ?? (model.usedAt === '' ? '' : `used ${day(model.usedAt)}`))}
      </span>
      <VerdictMark verdict={loaded === null ? verd : verdict({ ok: true, inspection: loaded.inspection })} />
    </button>
  )
}
