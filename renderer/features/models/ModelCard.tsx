import { CircleAlert } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { ErrorData } from '../../../contract/errors.ts'
import {
  fits,
  whereItRuns,
  type ChatTemplateVerdict,
  type Inspection,
  type MemoryOutlook,
  type MemoryPart,
} from '../../../contract/model.ts'
import { cancelLoad, forget, inspect, loadModel, reveal } from '../../app/actions.ts'
import { loadedModel, useKigo } from '../../app/store.ts'
import {
  bytes,
  count,
  fileAndFolder,
  parameters,
  pathParts,
  percent,
  plural,
  shortName,
} from '../../ui/format.ts'
import { Icon } from '../../ui/Icon.tsx'
import { Notice } from '../../ui/Notice.tsx'
import { LooseNotices } from '../chat/Notices.tsx'
import { NumberSetting } from '../settings/NumberSetting.tsx'
import {
  beyondTraining,
  bytesPerToken,
  defaultContext,
  overflowOf,
  planOf,
  verdict,
  type Plan,
} from './plan.ts'
import { PlanBar, PlanLegend } from './PlanBar.tsx'
import { useMemory } from './useMemory.ts'
import { VerdictMark } from './VerdictMark.tsx'
import { WaysOut } from './WaysOut.tsx'

/** What Kigo knows of a file before anything of it is loaded. */
export function ModelCard({ path }: { path: string }) {
  const found = useKigo((state) => state.inspected[path])
  const recent = useKigo((state) => state.recents.find((model) => model.path === path))
  // Also when what was known of it counts no more.
  useEffect(() => {
    if (!found) void inspect(path)
  }, [path, found])
  const { file, folder } = pathParts(path)
  return (
    <div className="card thin">
      <div className="in">
        <LooseNotices but={found?.ok === false ? { path, code: found.error.code } : undefined} />
        {found === undefined && <p className="meta">Reading {file}</p>}
        {found?.ok === false && (
          <>
            <h1 className="cut" dir="auto">
              {recent?.name ?? file}
            </h1>
            <p className="meta cut" title={path}>
              {recent ? fileAndFolder(path) : `in ${folder}`}
            </p>
            <Refusal key={path} error={found.error} path={path} />
          </>
        )}
        {found?.ok && <Card key={found.inspection.memory?.ctx} path={path} inspection={found.inspection} />}
      </div>
    </div>
  )
}

function Card({ path, inspection }: { path: string; inspection: Inspection }) {
  const loaded = useKigo(loadedModel)
  const loading = useKigo((state) => state.shown?.status === 'loading' && state.shown.path === path)
  const listed = useKigo(
    ({ recents, opened }) => opened.includes(path) || recents.some((model) => model.path === path),
  )
  const chosen = useKigo((state) => state.info?.loadSettings.contextLength ?? null)
  const here = loaded?.path === path
  // What a load takes where nothing is said here. The model in use is shown as it is, until the settings say otherwise.
  const auto = chosen ?? defaultContext(inspection)
  const asLoaded = useKigo((state) => here && state.contextAtLoad === chosen)
  const [context, setContext] = useState(asLoaded && loaded && loaded.nCtx !== auto ? loaded.nCtx : null)
  const wanted = context ?? auto
  const memory = useMemory(path, inspection.memory, wanted)
  const runs = inspection.problem === null || inspection.problem.code === 'OUT_OF_MEMORY'
  const fitting = memory !== null && fits(memory)
  const overflow = memory && overflowOf(memory)
  const load = useRef<HTMLButtonElement>(null)
  const ways = useRef<HTMLDivElement>(null)
  // Enter is enough: the card was asked for in order to load.
  useEffect(() => (ways.current?.querySelector('button') ?? load.current)?.focus(), [])
  return (
    <>
      <div className="head">
        <div className="grow">
          <h1 className="cut" dir="auto" title={inspection.name}>
            {inspection.name}
          </h1>
          <p className="meta cut" title={path}>
            {fileAndFolder(path)}
          </p>
        </div>
        <button className="btn quiet" onClick={() => void reveal(path)}>
          Show in folder
        </button>
        {loading ? (
          <button className="btn plain" onClick={() => void cancelLoad()}>
            Cancel the load
          </button>
        ) : (
          runs && (
            <button
              className="btn ink"
              ref={load}
              disabled={!fitting}
              title={loaded && !here ? `Unloads ${loaded.inspection.name} first` : undefined}
              onClick={() => void loadModel(path, context === null ? undefined : { contextLength: wanted })}
            >
              {here ? 'Reload' : 'Load'}
            </button>
          )
        )}
      </div>
      {!runs && inspection.problem && <Refusal error={inspection.problem} path={path} />}
      {inspection.notes.map((note) => (
        <p className="meta" key={note}>
          {note}
        </p>
      ))}
      <dl className="facts">
        <Fact name="Architecture">
          {inspection.architecture}, {plural(inspection.layers, 'layer')}
        </Fact>
        <Fact name="Parameters">{parameters(inspection.parameters)}</Fact>
        <Fact name="Quantisation">
          {inspection.quantization},{' '}
          {((inspection.fileBytes * 8) / Math.max(1, inspection.parameters)).toFixed(2)} bits a weight
        </Fact>
        <Fact name="Trained context">{plural(inspection.contextLength, 'token')}</Fact>
        <Fact name="File size">{bytes(inspection.fileBytes)}</Fact>
        <Fact name="Chat template">{templateWords(inspection.chatTemplate)}</Fact>
      </dl>
      {memory && (
        <div className="mem">
          <div className="row apart">
            <h2 className="h">{memoryHead(memory)}</h2>
            <VerdictMark
              verdict={
                here && memory.ctx === loaded.nCtx && memory.device === loaded.device
                  ? { kind: 'ok', words: 'loaded' }
                  : verdict({ ok: true, inspection: { ...inspection, memory, problem: null } })
              }
            />
          </div>
          <p className="meta">{whereItRuns(memory)}.</p>
          {memory.parts.map((part) => (
            <Part key={part.device} part={part} alone={memory.parts.length === 1} />
          ))}
          <NumberSetting
            name="contextLength"
            value={context}
            standard={null}
            auto={auto}
            slider={{
              min: Math.min(512, inspection.contextLength),
              max: inspection.contextLength,
              step: 256,
            }}
            help={`${beyondTraining(wanted, inspection)}${bytes(bytesPerToken(memory))} a token.`}
            onChange={setContext}
          >
            {memory.largestContext > 0 ? (
              <button
                className="btn plain"
                style={{ fontWeight: 400 }}
                disabled={wanted === memory.largestContext}
                onClick={(event) => {
                  setContext(memory.largestContext)
                  // It is of no use any more; the focus stays with its field.
                  event.currentTarget.closest('.fld')?.querySelector('input')?.focus()
                }}
              >
                Largest that fits: {count(memory.largestContext)}
              </button>
            ) : (
              <span className="meta">No context fits into what is free now</span>
            )}
          </NumberSetting>
          {runs && overflow && (
            <div className="overfull" ref={ways} role="status">
              <p>
                <Icon of={CircleAlert} />
                {overflow.words}
              </p>
              <div className="fix">
                <WaysOut
                  path={path}
                  error={{
                    code: 'OUT_OF_MEMORY',
                    message: overflow.words,
                    data: { largestContext: memory.largestContext, device: overflow.part.device },
                  }}
                />
              </div>
            </div>
          )}
        </div>
      )}
      <Inside inspection={inspection} />
      {listed && !here && (
        <button className="btn quiet" style={{ marginLeft: -10 }} onClick={() => void forget(path)}>
          Remove from the list
        </button>
      )}
    </>
  )
}

/** Why the file cannot be loaded, whatever is set. Enter is enough here too, for the best way out. */
function Refusal({ error, path }: { error: ErrorData; path: string }) {
  const notice = useRef<HTMLDivElement>(null)
  useEffect(() => notice.current?.querySelector('button')?.focus(), [])
  return (
    <div ref={notice} className="contents">
      <Notice error={error}>
        <WaysOut error={error} path={path} />
      </Notice>
    </div>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function templateWords({ mode, ok, present, thinking, system, given }: ChatTemplateVerdict): string {
  if (mode === 'completion') return 'none, completes text'
  if (mode === 'chatml') return present && !ok ? 'fails, ChatML instead' : 'none, ChatML instead'
  return [
    given ? 'the settings’' : 'checked',
    ...(thinking ? ['can think'] : []),
    ...(system ? [] : ['no system role']),
  ].join(', ')
}

function memoryHead({ parts: [first, ...others] }: MemoryOutlook): string {
  if (!first || others.length > 0) return 'Memory'
  return `Memory on ${first.device === 'cpu' ? 'this computer' : `the ${shortName(first.name)}`}`
}

/** What a device takes of the model; of several each has its name. */
function Part({ part, alone }: { part: MemoryPart; alone: boolean }) {
  const plan = planOf(part)
  const name = part.device === 'cpu' ? 'CPU' : part.name
  return (
    <>
      {!alone && (
        <h3 className="part">
          <span className="cut">{name}</span>
          <span className="meta num">{plural(part.layerLast - part.layerFirst, 'layer')}</span>
        </h3>
      )}
      <Figure plan={plan} of={alone ? '' : name} />
      <PlanLegend plan={plan} />
    </>
  )
}

/** The bar on graph paper, with a ruler in GiB; what is too much lies past the capacity line. */
function Figure({ plan, of }: { plan: Plan; of: string }) {
  const whole = plan.scale / 1024 ** 3
  const over = plan.over > 0
  const end = plan.capacity / plan.scale
  // Where the label of the end begins; where there is no room in front of the line it stands behind it.
  const behind = end < 0.4
  const last = behind ? 0 : whole * (over ? end - 0.3 : 0.86)
  // Whole steps of 1, 2 or 5 × 10ⁿ, at most five of them, and none that would touch the last label.
  const rough = whole / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough
  const marks = Array.from({ length: 5 }, (_, i) => i * step).filter((mark) => mark < last)
  return (
    <figure className="fig graph">
      <PlanBar plan={plan} of={of} />
      {over && <i className="cap" style={{ left: `calc(16px + (100% - 32px) * ${end.toFixed(4)})` }} />}
      <div className="ruler" aria-hidden>
        {marks.map((mark) => (
          <span
            key={mark}
            // Where the bar is short it would touch the last label.
            className={mark > last * 0.72 ? 'far' : undefined}
            style={{ left: percent(mark / whole) }}
          >
            {count(Number(mark.toFixed(2)))}
          </span>
        ))}
        <span className={behind ? 'behind' : undefined} style={{ left: percent(end) }}>
          {bytes(plan.capacity)}
          {over && ', all there is'}
        </span>
      </div>
    </figure>
  )
}

function Inside({ inspection }: { inspection: Inspection }) {
  const types = Object.entries(inspection.tensors.byType).sort(([, a], [, b]) => b.bytes - a.bytes)
  const total = types.reduce((sum, [, { bytes }]) => sum + bytes, 0)
  return (
    <div className="sec mt-3" style={{ borderTop: '1px solid var(--line)' }}>
      <div className="h">
        <h2>Inside the file</h2>
        <span className="meta">
          {plural(inspection.tensors.count, 'tensor')}, {count(inspection.vocabulary.size)} tokens in the
          vocabulary
        </span>
      </div>
      <table className="inside num">
        <tbody>
          {types.map(([type, tensors]) => (
            <tr key={type}>
              <td className="mono">{type}</td>
              <td>{plural(tensors.count, 'tensor')}</td>
              <td>{bytes(tensors.bytes)}</td>
              <td>
                <i style={{ width: `max(2px, ${percent(tensors.bytes / Math.max(1, total))})` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
