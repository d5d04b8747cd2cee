import { useEffect, useRef } from 'react'
import { inspect, loadModel, pickModel } from '../../app/actions.ts'
import { useKigo } from '../../app/store.ts'
import { bytes } from '../../ui/format.ts'
import { key } from '../../ui/key.ts'
import { Notices } from '../chat/Notices.tsx'
import { verdict } from './plan.ts'
import { VerdictMark } from './VerdictMark.tsx'

/** An empty profile, started without a model. */
export function FirstRun() {
  const bundled = useKigo((state) => state.info?.bundledModel ?? null)
  const device = useKigo((state) => state.devices[0])
  const failed = useKigo((state) => state.shown?.status === 'failed')
  const view = useRef<HTMLElement>(null)
  // Enter is enough, for what is best now: there is one filled button.
  useEffect(() => view.current?.querySelector<HTMLElement>('.btn.ink')?.focus(), [failed])
  return (
    <section className="mid thin" aria-label="First run" data-region="content" ref={view}>
      <div className="first">
        <h1>Kigo needs a model</h1>
        <p className="lead">
          A model is one .gguf file. Kigo reads it where it is and runs it on this computer.
        </p>
        <Notices />
        <div className="two">
          {bundled !== null && <Bundled path={bundled} />}
          <div className="box dash">
            <h2 className="h">Your own</h2>
            <span className="meta">Drop a .gguf file anywhere on this window</span>
            <p>Nothing is copied. Kigo tells you if it fits before it loads.</p>
            <button
              className={`btn big ${bundled === null ? 'ink' : 'plain'}`}
              onClick={() => void pickModel()}
            >
              Open file<kbd style={{ marginLeft: 4, color: 'inherit' }}>{key('O')}</kbd>
            </button>
          </div>
        </div>
        {/* Its line is there before the device is known. */}
        <p className="meta mt-4 min-h-4">
          {device &&
            `${device.name}, ${bytes(device.totalBytes)} of memory, ${bytes(device.freeBytes)} free now.`}
        </p>
      </div>
    </section>
  )
}

function Bundled({ path }: { path: string }) {
  // A failure above has the best way out, and there is one filled button in a view.
  const failed = useKigo((state) => state.shown?.status === 'failed')
  const found = useKigo((state) => state.inspected[path])
  useEffect(() => void inspect(path), [path])
  const inspection = found?.ok ? found.inspection : null
  const memory = inspection?.memory
  // The figure that the page has of it below and at the side: what is free moves from one look to the next.
  const free = useKigo(({ devices }) => devices.find(({ id }) => id === memory?.device)?.freeBytes)
  const verd = verdict(found)
  return (
    <div className="box">
      <h2 className="h">SmolLM2 135M Instruct</h2>
      {/* These lines are there before the file is read: the button stays where it is, and so does every word. */}
      <span className="meta num min-h-4">
        {inspection && (
          <>
            <span className="mono">{inspection.quantization}</span>, {bytes(inspection.fileBytes)},{' '}
          </>
        )}
        {found && 'comes with Kigo'}
      </span>
      <p>Small and quick. Good for finding your way around, weak at facts.</p>
      <span className="fits">
        <VerdictMark
          verdict={
            verd?.kind === 'ok' && memory
              ? { kind: 'ok', words: `Fits, ${bytes((free ?? memory.free) - memory.total)} left free` }
              : verd
          }
        />
      </span>
      <button className={`btn big ${failed ? 'plain' : 'ink'}`} onClick={() => void loadModel(path)}>
        Start with this one
      </button>
    </div>
  )
}
