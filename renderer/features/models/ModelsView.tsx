import { useEffect } from 'react'
import type { RecentModel } from '../../../contract/model.ts'
import { inspect, inspectRecents, pickModel } from '../../app/actions.ts'
import { loadedModel, set, useKigo, type Inspected } from '../../app/store.ts'
import { onArrows } from '../../ui/arrows.ts'
import { pathParts } from '../../ui/format.ts'
import { LooseNotices } from '../chat/Notices.tsx'
import { ModelCard } from './ModelCard.tsx'
import { ModelRow } from './ModelRow.tsx'

function choose(path: string): void {
  set({ card: path })
  void inspect(path)
}

/** A file that was never loaded, as a row of the list. */
function unused(path: string, found: Inspected | undefined): RecentModel {
  const known = found?.ok ? found.inspection : null
  return {
    path,
    name: known?.name ?? pathParts(path).file,
    quantization: known?.quantization ?? '',
    fileBytes: known?.fileBytes ?? 0,
    usedAt: '',
    exists: true,
  }
}

/** What was opened or dropped, the models that were used, the one that comes with Kigo; and the card of one. */
export function ModelsView() {
  const recents = useKigo((state) => state.recents)
  const opened = useKigo((state) => state.opened)
  const bundled = useKigo((state) => state.info?.bundledModel ?? null)
  const inspected = useKigo((state) => state.inspected)
  const card = useKigo((state) => state.card)
  const loaded = useKigo(loadedModel)
  const used = new Set(recents.map(({ path }) => path))
  const fresh = opened.filter((path) => !used.has(path) && path !== bundled)
  const comesWith = bundled === null || used.has(bundled) ? null : bundled
  useEffect(() => {
    void inspectRecents()
  }, [recents])
  useEffect(() => {
    if (comesWith !== null) void inspect(comesWith)
  }, [comesWith])

  const rows: { model: RecentModel; note?: string }[] = [
    ...fresh.map((path) => ({
      model: unused(path, inspected[path]),
      note: inspected[path]?.ok === false ? '' : 'not loaded yet',
    })),
    ...recents.map((model) => ({ model })),
    ...(comesWith !== null && inspected[comesWith]?.ok
      ? [{ model: unused(comesWith, inspected[comesWith]), note: 'comes with Kigo' }]
      : []),
  ]
  const stop = rows.some(({ model }) => model.path === card) ? card : rows[0]?.model.path
  return (
    <section className="models" aria-label="Models" data-region="content">
      <div className="list thin" onKeyDown={(event) => onArrows(event, '.model')}>
        <div className="top">
          <h2>Recent</h2>
          <button className="btn plain" onClick={() => void pickModel()}>
            Open file
          </button>
        </div>
        {rows.map(({ model, note }) => (
          <ModelRow
            key={model.path}
            model={model}
            note={note}
            loaded={model.path === loaded?.path ? loaded : null}
            pressed={model.path === card}
            stop={model.path === stop}
            onChoose={() => choose(model.path)}
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
