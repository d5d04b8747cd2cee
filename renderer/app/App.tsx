import { useEffect, useRef } from 'react'
import { ChatView } from '../features/chat/ChatView.tsx'
import { ReadAloud } from '../features/chat/ReadAloud.tsx'
import { FindBar } from '../features/find/FindBar.tsx'
import { HaikuCard } from '../features/haiku/HaikuCard.tsx'
import { FirstRun } from '../features/models/FirstRun.tsx'
import { ModelsView } from '../features/models/ModelsView.tsx'
import { SettingsPanel } from '../features/settings/SettingsPanel.tsx'
import { seasonOf } from '../ui/season.ts'
import { closeDrawer, toggleSettings } from './actions.ts'
import { DropOverlay } from './DropOverlay.tsx'
import { focusOpener } from './focus.ts'
import { useKeys } from './keys.ts'
import { Shortcuts } from './Shortcuts.tsx'
import { Sidebar } from './Sidebar.tsx'
import { Starting } from './Starting.tsx'
import { firstRun, get, panelOpen, set, useKigo } from './store.ts'
import { TitleBar } from './TitleBar.tsx'

export function App() {
  const root = useRef<HTMLDivElement>(null)
  const started = useKigo((state) => state.started)
  const panel = useKigo(panelOpen)
  const drawer = useKigo((state) => state.drawer && state.width === 'narrow')
  const sidebar = useKigo((state) => state.info?.appearance.sidebar ?? true)
  const platform = useKigo((state) => state.info?.platform)

  useAppearance()
  useWidth(root)
  useKeys()

  return (
    <div
      className="app"
      ref={root}
      data-platform={platform}
      data-side={sidebar ? 'on' : 'off'}
      data-drawer={drawer ? 'on' : 'off'}
      data-panel={panel ? 'on' : 'off'}
    >
      {started ? <Shell drawer={drawer} panel={panel} /> : <Starting />}
      <DropOverlay />
      <Shortcuts />
      <Status />
      <ReadAloud />
    </div>
  )
}

function Shell({ drawer, panel }: { drawer: boolean; panel: boolean }) {
  const view = useKigo((state) => state.view)
  const first = useKigo((state) => state.view === 'chat' && firstRun(state))
  const sheet = useKigo((state) => panelOpen(state) && state.width !== 'wide')
  return (
    <div className="shell">
      <Sidebar inert={sheet} />
      <div className="side-scrim" onClick={closeDrawer} />
      <div className="main" inert={drawer}>
        <TitleBar />
        <div className="work">
          <FindBar />
          <main className="contents" inert={sheet}>
            {view === 'models' ? (
              <ModelsView />
            ) : view === 'haiku' ? (
              <HaikuCard />
            ) : first ? (
              <FirstRun />
            ) : (
              <ChatView />
            )}
          </main>
          <div className="sheet-scrim" onClick={toggleSettings} />
          {panel && <SettingsPanel />}
        </div>
      </div>
    </div>
  )
}

/** What is said once to those who listen. */
function Status() {
  const status = useKigo((state) => state.status)
  return (
    <div className="vh" role="status" aria-live="polite">
      {status}
    </div>
  )
}

/** Theme and season are attributes of the root; tokens.css does the rest. */
function useAppearance(): void {
  const appearance = useKigo((state) => state.info?.appearance)
  useEffect(() => {
    if (!appearance) return
    const { dataset } = document.documentElement
    const { theme, season, hemisphere } = appearance
    if (theme === 'system') delete dataset['theme']
    else dataset['theme'] = theme
    if (season === 'off') delete dataset['season']
    else dataset['season'] = season === 'almanac' ? seasonOf(new Date(), hemisphere) : season
  }, [appearance])
}

/** What CSS decides by container queries, for the few things that are behaviour: sheets and focus. */
function useWidth(root: React.RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const element = root.current
    if (!element) return
    const observer = new ResizeObserver(([entry]) => {
      const px = entry?.contentRect.width ?? 0
      const width = px >= 1120 ? 'wide' : px >= 900 ? 'mid' : 'narrow'
      const before = get()
      if (before.width === width) return
      set({ width, drawer: false, sheet: false })
      if (before.drawer || before.sheet) focusOpener()
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [root])
}
