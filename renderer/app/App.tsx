import { useEffect, useRef } from 'react'
import { ChatView } from '../features/chat/ChatView.tsx'
import { ReadAloud } from '../features/chat/ReadAloud.tsx'
import { FindBar } from '../features/find/FindBar.tsx'
import { HaikuCard } from '../features/haiku/HaikuCard.tsx'
import { FirstRun } from '../features/models/FirstRun.tsx'
import { ModelsView } from '../features/models/ModelsView.tsx'
import { SettingsPanel } from '../features/settings/SettingsPanel.tsx'
import { seasonOf } from '../ui/season.ts'
import { DropOverlay } from './DropOverlay.tsx'
import { useKeys } from './keys.ts'
import { Shortcuts } from './Shortcuts.tsx'
import { Sidebar } from './Sidebar.tsx'
import { firstRun, panelOpen, set, useKigo } from './store.ts'
import { TitleBar } from './TitleBar.tsx'

export function App() {
  const root = useRef<HTMLDivElement>(null)
  const view = useKigo((state) => state.view)
  const first = useKigo((state) => state.view === 'chat' && firstRun(state))
  const panel = useKigo(panelOpen)
  const width = useKigo((state) => state.width)
  const drawer = useKigo((state) => state.drawer && state.width === 'narrow')
  const sidebar = useKigo((state) => state.info?.appearance.sidebar ?? true)
  const platform = useKigo((state) => state.info?.platform)
  const status = useKigo((state) => state.status)
  const sheet = panel && width !== 'wide'

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
      <div className="shell">
        <Sidebar inert={sheet} />
        <div className="side-scrim" onClick={() => set({ drawer: false })} />
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
            <div className="sheet-scrim" onClick={() => set({ sheet: false })} />
            {panel && <SettingsPanel />}
          </div>
        </div>
      </div>
      <DropOverlay />
      <Shortcuts />
      <div className="vh" role="status" aria-live="polite">
        {status}
      </div>
      <ReadAloud />
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
      set((state) => (state.width === width ? {} : { width, drawer: false, sheet: false }))
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [root])
}
