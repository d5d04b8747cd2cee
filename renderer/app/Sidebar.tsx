import { Boxes, Keyboard, PanelLeft, SquarePen, Trash2, Unplug } from 'lucide-react'
import type { KeyboardEvent } from 'react'
import type { Device, MemoryPart } from '../../contract/model.ts'
import { planOf } from '../features/models/plan.ts'
import { PlanBar } from '../features/models/PlanBar.tsx'
import { Icon } from '../ui/Icon.tsx'
import { bytesOf, shortName } from '../ui/format.ts'
import { key, withModifier } from '../ui/key.ts'
import { deleteChat, newChat, openChat, showCard, toggleSidebar, undoDelete } from './actions.ts'
import { currentOrder, loadedModel, set, useKigo } from './store.ts'
import { Wordmark } from './Wordmark.tsx'

export function Sidebar({ inert }: { inert: boolean }) {
  const models = useKigo((state) => state.view === 'models')
  const recents = useKigo((state) => state.recents.length)
  return (
    <aside className="side" aria-label="Sidebar" inert={inert}>
      <div className="side-head">
        <Wordmark />
        <span className="grow" />
        <button
          className="tool"
          aria-label="Hide sidebar"
          title={`Hide sidebar  ${key('B')}`}
          onClick={toggleSidebar}
        >
          <Icon of={PanelLeft} />
        </button>
      </div>
      <div className="side-nav">
        <button className="nav" onClick={() => void newChat()}>
          <Icon of={SquarePen} />
          New chat<kbd>{key('N')}</kbd>
        </button>
      </div>
      <Chats />
      <div className="side-foot">
        <button className="nav" aria-current={models ? 'page' : undefined} onClick={() => showCard(null)}>
          <Icon of={Boxes} />
          Models{recents > 0 && <kbd>{recents}</kbd>}
        </button>
        <DeviceFoot />
      </div>
    </aside>
  )
}

/**
 * The conversations of this session, newest first. One tab stop: ↑ and ↓ move in it, → and ← between a row and its
 * action. An Undo is a stop of its own for the seconds that it is there.
 */
function Chats() {
  const conversations = useKigo((state) => state.conversations)
  const current = useKigo((state) => state.current)
  const gone = useKigo((state) => state.gone)
  const inChat = useKigo((state) => state.view === 'chat')
  const fresh = useKigo((state) => state.current !== null && currentOrder(state).length === 0)
  // Main lists what holds a message; the new chat on screen stands above them.
  const listed = conversations.some(({ id }) => id === current)
  const rows =
    fresh && !listed && current !== null
      ? [{ id: current, title: 'New chat', streaming: false }, ...conversations]
      : conversations
  const stop = rows.some(({ id }) => id === current) ? current : rows[0]?.id
  return (
    <nav className="chats thin" aria-label="Conversation list" onKeyDown={onListKey}>
      {rows.length === 0 && (
        <p className="meta px-2 py-3.5">
          Conversations appear here. They stay on this computer, until Kigo closes.
        </p>
      )}
      {rows.length > 0 && <h3>This session</h3>}
      {rows.map(({ id, title, streaming }) => {
        const on = inChat && id === current
        return (
          <div
            key={id}
            className={`chat ${on ? 'on' : ''} ${gone[id] ? 'gone' : ''}`}
            role={gone[id] ? 'status' : undefined}
          >
            <button
              className="open cut"
              data-id={id}
              tabIndex={id === stop ? 0 : -1}
              aria-current={on ? 'page' : undefined}
              title={title}
              dir="auto"
              onClick={() => void openChat(id)}
            >
              {title || 'New chat'}
            </button>
            {streaming && <i className="live" role="img" aria-label="Writing" />}
            {gone[id] ? (
              <button className="link" onClick={() => undoDelete(id)}>
                Undo
              </button>
            ) : (
              (id !== current || !fresh) && (
                <span className="acts">
                  <button
                    className="tool sm"
                    tabIndex={-1}
                    aria-label={`Delete ${title || 'New chat'}`}
                    title={`Delete  ${key('Del')}`}
                    onClick={() => deleteChat(id)}
                  >
                    <Icon of={Trash2} size={14} />
                  </button>
                </span>
              )
            )}
          </div>
        )
      })}
    </nav>
  )
}

function onListKey(event: KeyboardEvent<HTMLElement>): void {
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('.open')]
  const at = rows.findIndex((row) => row.parentElement?.contains(document.activeElement))
  const row = rows[at]
  const id = row?.dataset['id']
  if (event.key === 'Delete' && withModifier(event.nativeEvent) && id !== undefined) deleteChat(id)
  else if (event.key === 'ArrowDown') rows[Math.min(at + 1, rows.length - 1)]?.focus()
  else if (event.key === 'ArrowUp') rows[Math.max(at - 1, 0)]?.focus()
  else if (event.key === 'ArrowRight') row?.parentElement?.querySelector<HTMLElement>('.acts button')?.focus()
  else if (event.key === 'ArrowLeft') row?.focus()
  else if (event.key === 'Home') rows[0]?.focus()
  else if (event.key === 'End') rows.at(-1)?.focus()
  else return
  event.preventDefault()
}

/**
 * What the device's memory holds: with a model, the plan it was loaded by; without, what others use. As high before the
 * devices are known.
 */
function DeviceFoot() {
  const device = useKigo((state) => {
    const model = loadedModel(state)
    const used = state.devices.find(({ id }) => id === model?.placements[0]?.device)
    return used ?? state.devices.find(({ problem }) => problem === null)
  })
  // Of a model on several devices the first part is shown: it is the one whose memory is scarce.
  const part = useKigo((state) => loadedModel(state)?.inspection.memory?.parts[0] ?? null)
  return (
    <div className="device">
      {device ? (
        <Room device={device} part={part} />
      ) : (
        <>
          <div className="row meta">&nbsp;</div>
          <span className="plan small" />
        </>
      )}
      <div className="row apart meta">
        <span
          className="row"
          style={{ gap: 6 }}
          title="Kigo makes no connection: what you write stays on this computer. A link opens in your browser, once you have seen where it goes."
        >
          <Icon of={Unplug} size={14} />
          Kigo is offline
        </span>
        <button
          className="tool sm"
          aria-label="Keyboard shortcuts"
          title={`Keyboard shortcuts  ${key('/')}`}
          onClick={() => set({ shortcuts: true })}
        >
          <Icon of={Keyboard} size={14} />
        </button>
      </div>
    </div>
  )
}

function Room({ device, part }: { device: Device; part: MemoryPart | null }) {
  const { freeBytes: free, totalBytes: deviceTotal } = device
  const plan = planOf(part ?? { weights: 0, kv: 0, workspace: 0, free, deviceTotal })
  return (
    <>
      <div className="row apart meta">
        <span className="cut" title={`${device.name}, ${device.detail}`}>
          {shortName(device.name)}
        </span>
        <span className="num whitespace-nowrap">{bytesOf(plan.capacity - plan.free, plan.capacity)}</span>
      </div>
      <PlanBar plan={plan} small />
    </>
  )
}
