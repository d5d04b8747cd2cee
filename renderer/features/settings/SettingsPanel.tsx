import { RotateCcw, X } from 'lucide-react'
import { useId, useState } from 'react'
import type { ErrorData } from '../../../contract/errors.ts'
import { together, whereItRuns, type Device } from '../../../contract/model.ts'
import type { Appearance } from '../../../contract/routes.ts'
import { CHAT_SETTINGS_DEFAULTS, LOAD_SETTINGS_DEFAULTS } from '../../../contract/sampling.ts'
import {
  changeAppearance,
  changeChatSettings,
  changeLoadSettings,
  loadModel,
  refreshModels,
  toggleSettings,
} from '../../app/actions.ts'
import { loadedModel, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { directionOf } from '../../ui/direction.ts'
import { bytes, bytesOf, count, plural, shortName } from '../../ui/format.ts'
import { key } from '../../ui/key.ts'
import { beyondTraining, bytesPerToken, defaultContext } from '../models/plan.ts'
import {
  defaultOf,
  parseStopField,
  problemOfSystemPrompt,
  showStops,
  spacesIn,
  type ChatNumber,
} from './fields.ts'
import { NumberSetting } from './NumberSetting.tsx'
import { SamplerPicture } from './SamplerPicture.tsx'

const SAMPLERS: ChatNumber[] = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'repeatLastN',
  'presencePenalty',
  'frequencyPenalty',
]

/** They apply to the next message; the last two of loading to the next load. */
export function SettingsPanel() {
  const known = useKigo((state) => state.info !== null)
  return (
    <aside className="panel" aria-label="Settings">
      <header>
        <h2>Settings</h2>
        <span className="grow" />
        <button
          className="tool"
          aria-label="Close panel"
          title={`Close  ${key(',')}`}
          onClick={toggleSettings}
        >
          <Icon of={X} />
        </button>
      </header>
      {known && (
        <div className="in thin">
          <SystemPrompt />
          <div className="sec">
            <div className="h">
              <h3>Sampling</h3>
              <span className="meta">from the next message</span>
            </div>
            <SamplerPicture />
            {SAMPLERS.map((name) => (
              <ChatNumberSetting key={name} name={name} />
            ))}
            <Stops />
          </div>
          <div className="sec">
            <ChatNumberSetting name="seed" />
            <ChatNumberSetting name="maxTokens" />
          </div>
          <Loading />
          <AppearanceSettings />
        </div>
      )}
    </aside>
  )
}

function ChatNumberSetting({ name }: { name: ChatNumber }) {
  const value = useKigo((state) => state.info?.chatSettings[name] ?? null)
  return (
    <NumberSetting
      name={name}
      value={value}
      standard={defaultOf(name)}
      onChange={(next) => changeChatSettings({ [name]: next })}
    />
  )
}

function SystemPrompt() {
  const value = useKigo((state) => state.info?.chatSettings.systemPrompt ?? '')
  const tokens = useKigo((state) => state.usage?.system ?? null)
  // What cannot be taken; it stays where it can be put right.
  const [refused, setRefused] = useState<string | null>(null)
  const problem = refused === null ? null : problemOfSystemPrompt(refused)
  const type = (text: string): void => {
    const bad = problemOfSystemPrompt(text) !== null
    setRefused(bad ? text : null)
    if (!bad) changeChatSettings({ systemPrompt: text })
  }
  return (
    <div className="sec">
      <div className="h">
        <label htmlFor="system-prompt">System prompt</label>
        {value === '' && refused === null ? (
          <span className="meta">default none</span>
        ) : (
          <span className="row" style={{ gap: 4 }}>
            {tokens !== null && <span className="meta num">{plural(tokens, 'token')}</span>}
            <Reset label="Clear it" of="system-prompt" onClick={() => type('')} />
          </span>
        )}
      </div>
      <textarea
        className="area"
        id="system-prompt"
        rows={3}
        dir={directionOf(refused ?? value)}
        spellCheck={false}
        value={refused ?? value}
        aria-describedby="system-help"
        aria-invalid={problem !== null}
        onChange={(event) => type(event.target.value)}
      />
      <p className={`meta mt-1 ${problem === null ? '' : 'bad'}`} id="system-help">
        {problem === null
          ? 'Stands before the conversation. Says who answers, and how.'
          : `${problem} The one before it is still in use.`}
      </p>
    </div>
  )
}

/** `of`: the id of its field, which has the focus when the button is gone. */
function Reset({ label, of, onClick }: { label: string; of: string; onClick: () => void }) {
  return (
    <button
      className="tool sm"
      aria-label={label}
      title={label}
      onClick={() => {
        onClick()
        document.getElementById(of)?.focus()
      }}
    >
      <Icon of={RotateCcw} size={12} />
    </button>
  )
}

function Stops() {
  const stops = useKigo((state) => state.info?.chatSettings.stop ?? CHAT_SETTINGS_DEFAULTS.stop)
  // What is being typed: a half-written line must not be rewritten under the cursor.
  const [typed, setTyped] = useState<string | null>(null)
  const parsed = typed === null ? null : parseStopField(typed)
  const problem = parsed?.ok === false ? parsed.problem : null
  const type = (text: string): void => {
    setTyped(text)
    const next = parseStopField(text)
    if (next.ok) changeChatSettings({ stop: next.value })
  }
  return (
    <div className="fld">
      <div className="top">
        <label htmlFor="stop-sequences">Stop sequences</label>
        <span className="def">default none</span>
        {(stops.length > 0 || problem !== null) && (
          <Reset
            label="Clear the list"
            of="stop-sequences"
            onClick={() => {
              setTyped(null)
              changeChatSettings({ stop: [] })
            }}
          />
        )}
      </div>
      <textarea
        className="area mono"
        id="stop-sequences"
        rows={2}
        spellCheck={false}
        value={typed ?? showStops(stops)}
        aria-describedby="stop-help"
        aria-invalid={problem !== null}
        onChange={(event) => type(event.target.value)}
        // What cannot be taken stays where it can be put right.
        onBlur={() => problem === null && setTyped(null)}
      />
      <p className={`help mt-1 ${problem === null ? '' : 'bad'}`} id="stop-help">
        {problem === null
          ? `One a line, 16 at most; \\n stands for a line break. The reply ends before it. ${spacesIn(stops)}`
          : `${problem} Not used as they are.`}
      </p>
    </div>
  )
}

function Loading() {
  const settings = useKigo((state) => state.info?.loadSettings ?? LOAD_SETTINGS_DEFAULTS)
  const model = useKigo(loadedModel)
  const cores = useKigo((state) => state.devices.find(({ id }) => id === 'cpu')?.threads)
  const auto = model ? defaultContext(model.inspection) : undefined
  const wantedContext = settings.contextLength ?? auto
  const most = useKigo((state) => state.info?.mostThreads)
  const wantedThreads = settings.threads ?? cores
  const gpus = useKigo((state) => state.devices.some(({ id, problem }) => id !== 'cpu' && problem === null))
  const parts = model?.inspection.memory?.parts ?? []
  const onGpus = parts.filter(({ device }) => device !== 'cpu').at(-1)?.layerLast ?? 0
  const elsewhere =
    model !== null && (model.asked.device !== settings.device || model.asked.gpuLayers !== settings.gpuLayers)
  const otherTemplate = model !== null && model.asked.chatTemplate !== settings.chatTemplate
  const later =
    model !== null &&
    (elsewhere ||
      otherTemplate ||
      (wantedContext !== undefined && settings.contextLength !== null && wantedContext !== model.nCtx) ||
      (settings.contextLength === null && auto !== undefined && auto < model.nCtx) ||
      (wantedThreads !== undefined && wantedThreads !== model.threads))
  const memory = model?.inspection.memory
  const asked = wantedContext ?? model?.nCtx ?? 0
  const takes = memory
    ? `${count(asked)} take ${asked === memory.ctx ? '' : 'about '}${bytes(bytesPerToken(memory) * asked)}.`
    : ''
  const beyond = model ? beyondTraining(asked, model.inspection) : ''
  return (
    <div className="sec">
      <div className="h">
        <h3>Loading</h3>
        <span className="meta">from the next load</span>
      </div>
      <DeviceSetting value={settings.device} onChange={(device) => changeLoadSettings({ device })} />
      {(settings.gpuLayers !== null || (gpus && settings.device !== 'cpu')) && (
        <NumberSetting
          name="gpuLayers"
          value={settings.gpuLayers}
          standard={null}
          {...(model && model.asked.gpuLayers === null ? { auto: onGpus } : {})}
          {...(model ? { slider: { min: 0, max: model.inspection.layers, step: 1 } } : {})}
          onChange={(gpuLayers) => changeLoadSettings({ gpuLayers })}
        />
      )}
      <NumberSetting
        name="contextLength"
        value={settings.contextLength}
        standard={null}
        {...(auto === undefined ? {} : { auto })}
        {...(model
          ? {
              slider: {
                min: 512,
                max: Math.max(
                  1024,
                  Math.min(
                    model.inspection.contextLength,
                    memory?.largestContext || model.inspection.contextLength,
                  ),
                ),
                step: 256,
              },
            }
          : {})}
        help={`${beyond === '' ? 'What the model sees at once. ' : beyond}${takes}`}
        onChange={(contextLength) => changeLoadSettings({ contextLength })}
      />
      <NumberSetting
        name="threads"
        value={settings.threads}
        standard={null}
        {...(cores === undefined ? {} : { auto: cores })}
        {...(most === undefined ? {} : { most })}
        {...(most === undefined || most === 1 ? {} : { slider: { min: 1, max: most, step: 1 } })}
        onChange={(threads) => changeLoadSettings({ threads })}
      />
      <ChatTemplate value={settings.chatTemplate} />
      {later && (
        <div className="later" role="note">
          <span>
            {model.inspection.name} was loaded with {count(model.nCtx)} context and{' '}
            {plural(model.threads, 'thread')}
            {elsewhere && parts.length > 0 && `, ${whereItRuns({ parts }).replace(/^A/, 'a')}`}
            {otherTemplate && ', and with another chat template'}.
          </span>
          <button className="btn plain small" onClick={() => void loadModel(model.path)}>
            Reload
          </button>
        </div>
      )}
    </div>
  )
}

/** For a model whose file has none, or a wrong one. */
function ChatTemplate({ value }: { value: string }) {
  return (
    <div className="fld">
      <div className="top">
        <label htmlFor="chat-template">Chat template</label>
        <span className="def">default the model’s own</span>
        {value !== '' && (
          <Reset
            label="Use the model’s own"
            of="chat-template"
            onClick={() => changeLoadSettings({ chatTemplate: '' })}
          />
        )}
      </div>
      <textarea
        className="area mono"
        id="chat-template"
        rows={2}
        maxLength={200_000}
        spellCheck={false}
        value={value}
        aria-describedby="chat-template-help"
        onChange={(event) => changeLoadSettings({ chatTemplate: event.target.value })}
      />
      <p className="help mt-1" id="chat-template-help">
        Jinja, in place of what every model brings.
      </p>
    </div>
  )
}

/** What the layers run on; each GPU by its name, with what it has free. */
function DeviceSetting({ value, onChange }: { value: string; onChange: (device: string) => void }) {
  const devices = useKigo((state) => state.devices)
  const noGpu = useKigo((state) => state.noGpu)
  const id = useId()
  const gpus = devices.filter((device) => device.id !== 'cpu')
  const options: { value: string; words: string; lost?: boolean }[] = [
    { value: 'auto', words: 'Auto' },
    { value: 'cpu', words: 'CPU' },
    ...gpus.map(({ id: gpu, name, freeBytes, problem }) => ({
      value: gpu,
      words: `${shortName(name)}, ${problem === null ? `${bytes(freeBytes)} free` : 'lost'}`,
      lost: problem !== null,
    })),
    ...(gpus.length > 1
      ? [{ value: together(gpus.map((gpu) => gpu.id)), words: gpus.length === 2 ? 'Both GPUs' : 'All GPUs' }]
      : []),
  ]
  if (!options.some((option) => option.value === value))
    options.push({ value, words: `${value}, not here`, lost: true })
  const chosen = devices.find((device) => device.id === value)
  const changed = value !== LOAD_SETTINGS_DEFAULTS.device
  return (
    <div className={`fld ${changed ? 'changed' : ''}`}>
      <div className="top">
        <label htmlFor={id}>Device</label>
        <span className="def">
          {changed ? (
            <button
              aria-label="Reset Device"
              title="Reset Device"
              onClick={() => {
                onChange(LOAD_SETTINGS_DEFAULTS.device)
                document.getElementById(id)?.focus()
              }}
            >
              <Icon of={RotateCcw} size={12} />
              default auto
            </button>
          ) : (
            'default auto'
          )}
        </span>
      </div>
      <select
        id={id}
        className="pick-device"
        value={value}
        aria-describedby={`${id}-help`}
        onFocus={() => void refreshModels()}
        onChange={(event) => onChange(event.target.value)}
      >
        {options.map(({ value: option, words, lost = false }) => (
          <option key={option} value={option} disabled={lost}>
            {words}
          </option>
        ))}
      </select>
      <p className={`help ${chosen?.problem ? 'bad' : ''}`} id={`${id}-help`}>
        {helpFor(value, chosen, noGpu)}
      </p>
    </div>
  )
}

function helpFor(value: string, chosen: Device | undefined, noGpu: ErrorData | null): string {
  if (chosen?.problem) return chosen.problem
  if (chosen?.id === 'cpu') return `${bytesOf(chosen.freeBytes, chosen.totalBytes)} free.`
  if (chosen) return 'All layers, unless GPU layers says fewer.'
  if (noGpu) return `No GPU: ${noGpu.message}`
  if (value === 'auto') return 'The fastest that the model fits on.'
  return 'Layers are shared out by free memory.'
}

const THEMES: [Appearance['theme'], string][] = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
]
const SEASONS: [Appearance['season'], string][] = [
  ['almanac', 'Almanac'],
  ['spring', 'Spring'],
  ['summer', 'Summer'],
  ['autumn', 'Autumn'],
  ['winter', 'Winter'],
  ['off', 'Off'],
]
const HEMISPHERES: [Appearance['hemisphere'], string][] = [
  ['north', 'North'],
  ['south', 'South'],
]

function AppearanceSettings() {
  const appearance = useKigo((state) => state.info?.appearance)
  if (!appearance) return null
  return (
    <div className="sec">
      <div className="h">
        <h3>Appearance</h3>
      </div>
      <Choice
        label="Theme"
        value={appearance.theme}
        options={THEMES}
        onChange={(theme) => void changeAppearance({ theme })}
      />
      <Choice
        label="Season"
        value={appearance.season}
        options={SEASONS}
        onChange={(season) => void changeAppearance({ season })}
      />
      <Choice
        label="Hemisphere"
        value={appearance.hemisphere}
        options={HEMISPHERES}
        onChange={(hemisphere) => void changeAppearance({ hemisphere })}
      />
      <div className="choice">
        <label htmlFor="read-aloud">Announce each paragraph</label>
        <input
          type="checkbox"
          role="switch"
          id="read-aloud"
          checked={appearance.readAloud}
          onChange={(event) => void changeAppearance({ readAloud: event.target.checked })}
        />
      </div>
      <p className="meta">For screen readers: finished paragraphs are read out as a reply is written.</p>
    </div>
  )
}

function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: T
  options: [T, string][]
  onChange: (value: T) => void
}) {
  return (
    <div className="choice">
      <label htmlFor={`choice-${label}`}>{label}</label>
      <select id={`choice-${label}`} value={value} onChange={(event) => onChange(event.target.value as T)}>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </div>
  )
}
