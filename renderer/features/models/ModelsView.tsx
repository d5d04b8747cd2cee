import { useEffect } from 'react'
import { inspect, inspectRecents, pickModel } from '../../app/actions.ts'
import { loadedModel, set, useKigo } from '../../app/store.ts'
import { LooseNotices } from '../chat/Notices.tsx'
import { ModelCard } from './ModelCard.tsx'
import { ModelRow } from './ModelRow.tsx'

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
            onChoose={() => {
              set({ card: model.path })
              void inspect(model.path)
            }}
          />
        ))}
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
