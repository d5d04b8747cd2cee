import { Popover } from '@base-ui/react/popover'
import { ChevronsUpDown, Eject, FolderOpen } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { LoadedModel, ModelState } from '../../contract/model.ts'
import { ModelRow } from '../features/models/ModelRow.tsx'
import { planOf } from '../features/models/plan.ts'
import { PlanBar } from '../features/models/PlanBar.tsx'
import { secondsLeft } from '../features/models/loading.ts'
import { onArrows } from '../ui/arrows.ts'
import { Icon } from '../ui/Icon.tsx'
import { bytes, bytesOf, percent } from '../ui/format.ts'
import { key } from '../ui/key.ts'
import { inspectRecents, loadModel, pickModel, refreshModels, showCard, unloadModel } from './actions.ts'
import { knownName, loadedModel, useKigo } from './store.ts'

/** The model in use, or what it does instead of being in use; its popover has the recent ones. */
export function ModelSelector() {
  const [open, setOpen] = useState(false)
  const state = useKigo((state) => state.shown)
  const close = (step: () => void) => () => {
    setOpen(false)
    step()
  }
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className={`pick ${state?.status === 'loading' ? 'busy' : ''}`}>
        {state ? <Face state={state} /> : <span className="vh">Models</span>}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner
          className="positioner"
          side="bottom"
          align="start"
          sideOffset={4}
          collisionPadding={8}
        >
          <Popover.Popup className="pop menu" aria-label="Models">
            <Recents close={close} />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

function Face({ state }: { state: ModelState }) {
  switch (state.status) {
    case 'loaded':
      return <Loaded model={state.model} />
    case 'loading':
      return <Loading state={state} />
    case 'failed':
      return <Idle name="No model loaded" hint={`${key('O')} opens one`} />
    case 'none':
      return state.lastName === null ? (
        <Idle name="No model loaded" hint={`${key('O')} opens one`} />
      ) : (
        <Idle name={state.lastName} hint="not loaded" />
      )
  }
}

function Idle({ name, hint }: { name: string; hint: string }) {
  return (
    <>
      <span className="name cut" dir="auto">
        {name}
      </span>
      <span className="meta">{hint}</span>
      <Icon of={ChevronsUpDown} size={14} />
    </>
  )
}

function Loaded({ model }: { model: LoadedModel }) {
  const { name, quantization, fileBytes, memory, chatTemplate } = model.inspection
  // Of a model on several devices there is no one bar: the first has the layers that come first.
  const [part, ...others] = memory?.parts ?? []
  const plan = part && planOf(part)
  const words = others.some(({ device }) => device === 'cpu') ? 'partly on the CPU' : 'fits'
  return (
    <>
      <span className="name cut" dir="auto" title={name}>
        {name}
      </span>
      {chatTemplate.mode === 'completion' && <span className="meta base">Base model, completes text</span>}
      <span className="mono meta kind">{quantization}</span>
      <span className="meta size num">{bytes(fileBytes)}</span>
      {plan && (
        <span className="verdict meta">
          <PlanBar plan={plan} small />
          <span>
            {words}
            {others.length === 0 && <span className="free-word">, {bytes(plan.free)} free</span>}
          </span>
        </span>
      )}
      <Icon of={ChevronsUpDown} size={14} />
    </>
  )
}

function Loading({ state }: { state: Extract<ModelState, { status: 'loading' }> }) {
  const name = useKigo((all) => knownName(all, state.path) ?? state.name)
  const quantization = useKigo(({ inspected }) => {
    const found = inspected[state.path]
    return found?.ok ? found.inspection.quantization : null
  })
  const share = state.totalBytes > 0 ? state.doneBytes / state.totalBytes : 0
  const perSecond = useKigo(({ loadPace }) => loadPace?.perSecond ?? null)
  return (
    <>
      <span className="name cut" dir="auto">
        {name}
      </span>
      {quantization !== null && <span className="mono meta kind">{quantization}</span>}
      <span className="meta num loading-word">
        {state.totalBytes > 0 ? `Loading weights ${Math.floor(share * 100)} %` : 'Reading the header'}
      </span>
      {state.totalBytes > 0 && (
        <span className="meta size num">
          {bytesOf(state.doneBytes, state.totalBytes)}
          {perSecond !== null && share < 1 && `, ${secondsLeft(state, perSecond)} left`}
        </span>
      )}
      <i
        className="foot-line"
        style={{ width: percent(share) }}
        role="progressbar"
        aria-label="Loading weights"
        aria-valuenow={Math.floor(share * 100)}
        aria-valuemin={0}
        aria-valuemax={100}
      />
    </>
  )
}

function Recents({ close }: { close: (step: () => void) => () => void }) {
  const recents = useKigo((state) => state.recents)
  const loaded = useKigo(loadedModel)
  useEffect(() => {
    void refreshModels().then(inspectRecents)
  }, [])
  const stop = recents.some(({ path }) => path === loaded?.path) ? loaded?.path : recents[0]?.path
  return (
    <>
      <div className="list thin" onKeyDown={(event) => onArrows(event, '.model')}>
        {recents.length === 0 && <p className="meta empty">Models that were loaded appear here.</p>}
        {recents.map((model) => (
          <ModelRow
            key={model.path}
            model={model}
            loaded={model.path === loaded?.path ? loaded : null}
            pressed={model.path === loaded?.path}
            stop={model.path === stop}
            onChoose={close(() =>
              model.path === loaded?.path || !model.exists
                ? showCard(model.path)
                : void loadModel(model.path),
            )}
          />
        ))}
      </div>
      <div className="foot2">
        <button className="btn quiet" onClick={close(() => void pickModel())}>
          <Icon of={FolderOpen} size={14} />
          Open file<kbd>{key('O')}</kbd>
        </button>
        <button className="btn quiet" onClick={close(() => showCard(null))}>
          All models
        </button>
        <span className="grow" />
        {loaded && (
          <button className="btn quiet" onClick={close(() => void unloadModel())}>
            <Icon of={Eject} size={14} />
            Unload
          </button>
        )}
      </div>
    </>
  )
}
