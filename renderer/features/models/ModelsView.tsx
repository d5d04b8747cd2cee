import { useEffect } from 'react'
import { inspect, inspectRecents, pickModel } from '../../app/actions.ts'
import { loadedModel, set, useKigo } from '../../app/store.ts'
import { LooseNotices } from '../chat/Notices.tsx'
import { ModelCard } from './ModelCard.tsx'
import { ModelRow } from './ModelRow.tsx'

function choose(path: string): void {
  set({ card: path })
  void inspect(path)
}

/** The model that comes with Kigo, until it is one of the recent ones. */
function Bundled({ pressed }: { pressed: string | null }) {
  const path = useKigo(({ info, recents }) => {
    const bundled = info?.bundledModel ?? null
    return recents.some((model) => model.path === bundled) ? null : bundled
  })
  const found = useKigo(({ inspected }) => (path === null ? undefined : inspected[path]))
  useEffect(() => {
    if (path !== null) void inspect(path)
  }, [path])
  if (path === null || !found?.ok) return null
  const { name, quantization, fileBytes } = found.inspection
  return (
    <ModelRow
      model={{ path, name, quantization, fileBytes, usedAt: '', exists: true }}
      note="comes with Kigo"
      loaded={null}
      pressed={path === pressed}
      onChoose={() => choose(path)}
    />
  )
}

/** The models that were used, and the card of one. */
export function ModelsView() {
  const recents = useKigo((state) => state.recents)
  const card = useKigo((state) => state.card)
  const loaded = useKigo(loadedModel)
  useEffect(() => {
    void inspectRecents()
  }, [recents])
  return (
    <section className="models" aria-label="Models" data-region="content">
      <div className="list thin">
        <div className="top">
          <h2>Recent</h2>
          <button className="btn plain" onClick={() => void pickModel()}>
            Open file
          </button>
        </div>
        {recents.map((model) => (
          <ModelRow
            key={model.path}
            model={model}
            loaded={model.path === loaded?.path ? loaded : null}
            pressed={model.path === card}
            onChoose={() => choose(model.path)}
          />
        ))}
        <Bundled pressed={card} />
        <div className="drop">
          Drop a .gguf file anywhere on this window<div className="meta">Files stay where they are</div>
        </div>
      </div>
      {card === null ? (
        <div className="card">
          <div className="in">
            <LooseNotices />
          </div>
        </div>
      ) : (
        <ModelCard key={card} path={card} />
      )}
    </section>
  )
}
