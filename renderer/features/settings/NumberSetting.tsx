import { RotateCcw } from 'lucide-react'
import { useId, useState, type KeyboardEvent, type ReactNode } from 'react'
import { Icon } from '../../ui/Icon.tsx'
import { count } from '../../ui/format.ts'
import {
  CHAT_FIELDS,
  limits,
  LOAD_FIELDS,
  parseField,
  stepped,
  type ChatNumber,
  type LoadNumber,
  type NumberField,
} from './fields.ts'

interface Props {
  name: ChatNumber | LoadNumber
  value: number | null
  standard: number | null
  onChange: (value: number | null) => void
  /** Overrides: a range that depends on the model, a help line with its figures. */
  slider?: { min: number; max: number; step: number }
  help?: string
  /** What null comes to, for the slider's place and the empty field. */
  auto?: number
  /** What this computer allows at most, where that is less than the contract does. */
  most?: number
  /** Stands at the right of the help line. */
  children?: ReactNode
}

/** One field: label, default that turns into its reset, spinbutton, slider with the default's notch, help line. */
export function NumberSetting({
  name,
  value,
  standard,
  onChange,
  slider: ownSlider,
  help: ownHelp,
  auto,
  most,
  children,
}: Props) {
  const field: NumberField =
    name in LOAD_FIELDS ? LOAD_FIELDS[name as LoadNumber] : CHAT_FIELDS[name as ChatNumber]
  const { label } = field
  const slider = ownSlider ?? field.slider
  const id = useId()
  // What is being typed; null while the field only shows the value.
  const [typed, setTyped] = useState<string | null>(null)
  const parsed = typed === null ? null : parseField(name, typed, most)
  const problem = parsed !== null && !parsed.ok ? parsed.problem : null
  const changed = value !== standard
  const empty = auto === undefined ? field.empty : count(auto)
  const usual = shown(standard, empty)
  // Beside a long label and value the panel has no room for the word "default".
  const crowded = label.length + usual.length > 16
  const { min, max } = limits(name, most)
  const place = value ?? auto ?? slider?.min ?? 0

  const type = (text: string): void => {
    setTyped(text)
    const next = parseField(name, text, most)
    if (next.ok && next.value !== value) onChange(next.value)
  }
  const step = (steps: number): void => {
    setTyped(null)
    onChange(stepped(name, value ?? auto ?? 0, steps, most))
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowUp') step(1)
    else if (event.key === 'ArrowDown') step(-1)
    else if (event.key === 'PageUp') step(10)
    else if (event.key === 'PageDown') step(-10)
    else if (event.key === 'Enter') return setTyped(null)
    else return
    event.preventDefault()
  }

  return (
    <div className={`fld ${changed ? 'changed' : ''}`}>
      <div className={`top ${crowded ? 'crowded' : ''}`}>
        <label htmlFor={id}>{label}</label>
        <span className="def">
          {changed ? (
            <button
              aria-label={`Reset ${label}`}
              title={`Reset ${label}`}
              onClick={() => {
                setTyped(null)
                onChange(standard)
                // The button goes; the focus stays with its field.
                document.getElementById(id)?.focus()
              }}
            >
              <Icon of={RotateCcw} size={12} />
              <span className="word cut">default</span>
              {usual}
            </button>
          ) : (
            `default ${usual}`
          )}
        </span>
        <input
          id={id}
          className={`n ${max > 1e9 ? 'wide' : ''}`}
          role="spinbutton"
          inputMode="decimal"
          autoComplete="off"
          value={typed ?? (value === null ? '' : count(value))}
          placeholder={empty}
          aria-valuenow={value ?? auto ?? 0}
          aria-valuetext={value === null ? empty : count(value)}
          aria-valuemin={min}
          aria-valuemax={max}
          aria-invalid={problem !== null}
          aria-describedby={`${id}-help`}
          onChange={(event) => type(event.target.value)}
          onBlur={() => setTyped(null)}
          onKeyDown={onKeyDown}
        />
      </div>
      {slider && (
        <Slide
          label={label}
          slider={slider}
          place={place}
          notch={standard ?? auto ?? slider.min}
          onChange={(next) => {
            setTyped(null)
            onChange(next)
          }}
        />
      )}
      <div className="row apart">
        <p className={`help ${problem === null ? '' : 'bad'}`} id={`${id}-help`}>
          {problem ?? ownHelp ?? field.help}
        </p>
        {children}
      </div>
    </div>
  )
}

interface SlideProps {
  label: string
  slider: { min: number; max: number; step: number }
  place: number
  notch: number
  onChange: (value: number) => void
}

function Slide({ label, slider: { min, max, step }, place, notch, onChange }: SlideProps) {
  const at = (value: number): string => Math.min(1, Math.max(0, (value - min) / (max - min || 1))).toFixed(4)
  const to = (value: number): void => onChange(Number(Math.min(max, Math.max(min, value)).toFixed(6)))
  // Home, End and arrows are the browser's; its page step would be a tenth of the range.
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'PageUp' && event.key !== 'PageDown') return
    event.preventDefault()
    to(place + (event.key === 'PageUp' ? 10 : -10) * step)
  }
  return (
    <div className="slide" style={{ '--v': at(place), '--d': at(notch) } as React.CSSProperties}>
      <i className="notch" />
      <i className="fill" />
      <input
        type="range"
        aria-label={`${label}, slider`}
        min={min}
        max={max}
        step={step}
        value={Math.min(max, Math.max(min, place))}
        onChange={(event) => to(Number(event.target.value))}
        onKeyDown={onKeyDown}
      />
    </div>
  )
}

const shown = (value: number | null, empty: string | undefined): string =>
  value === null ? (empty ?? '') : count(value)
