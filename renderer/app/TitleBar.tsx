import { Eject, FolderOpen, Menu, Minus, PanelLeft, SlidersHorizontal, Square, X } from 'lucide-react'
import { Icon } from '../ui/Icon.tsx'
import { bytes } from '../ui/format.ts'
import { key } from '../ui/key.ts'
import { cancelLoad, pickModel, toggleSettings, toggleSidebar, unloadModel, windowAction } from './actions.ts'
import { request } from './bridge.ts'
import { ModelSelector } from './ModelSelector.tsx'
import { loadedModel, panelOpen, useKigo } from './store.ts'

/** 44 px, drags the window; every button in it does not. */
export function TitleBar() {
  const model = useKigo(loadedModel)
  const loading = useKigo((state) => state.shown?.status === 'loading')
  const panel = useKigo(panelOpen)
  const models = useKigo((state) => state.view === 'models')
  const own = useKigo((state) => state.info?.ownWindowControls ?? true)
  const frees = model?.inspection.memory?.total
  return (
    <header className="bar" aria-label="Title bar">
      <button
        className="tool show-side"
        aria-label="Show sidebar"
        title={`Show sidebar  ${key('B')}`}
        onClick={toggleSidebar}
      >
        <Icon of={PanelLeft} />
      </button>
      <ModelSelector />
      {loading && (
        <button className="btn quiet" aria-label="Cancel loading" onClick={() => void cancelLoad()}>
          <Icon of={X} size={14} />
          Cancel
        </button>
      )}
      {!loading && (
        <button
          className="tool"
          aria-label="Open model"
          title={`Open model  ${key('O')}`}
          onClick={() => void pickModel()}
        >
          <Icon of={FolderOpen} />
        </button>
      )}
      {model && (
        <button
          className="tool"
          aria-label="Unload model"
          title={frees === undefined ? 'Unload model' : `Unload model, frees ${bytes(frees)}`}
          onClick={() => void unloadModel()}
        >
          <Icon of={Eject} />
        </button>
      )}
      <span className="grow" />
      {!models && (
        <button
          className="tool"
          aria-label="Settings"
          aria-expanded={panel}
          title={`Settings  ${key(',')}`}
          onClick={toggleSettings}
        >
          <Icon of={SlidersHorizontal} />
        </button>
      )}
      {own && (
        <button
          className="tool"
          aria-label="Menu"
          aria-haspopup="menu"
          title="Menu"
          onClick={(event) => openMenu(event.currentTarget)}
        >
          <Icon of={Menu} />
        </button>
      )}
      {own && (
        <div className="wctl">
          <button aria-label="Minimise" tabIndex={-1} onClick={() => windowAction('minimize')}>
            <Icon of={Minus} size={12} stroke={1} />
          </button>
          <button aria-label="Maximise" tabIndex={-1} onClick={() => windowAction('maximize')}>
            <Icon of={Square} size={12} stroke={1} />
          </button>
          <button aria-label="Close" tabIndex={-1} onClick={() => windowAction('close')}>
            <Icon of={X} size={12} stroke={1} />
          </button>
        </div>
      )}
    </header>
  )
}

/** The application menu, at the foot of its button. */
function openMenu(button: HTMLElement): void {
  const { left, bottom } = button.getBoundingClientRect()
  void request('app.menu', { x: Math.round(left), y: Math.round(bottom) })
}
