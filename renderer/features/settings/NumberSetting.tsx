import { RotateCcw } from 'lucide-react'
import { useEffect, useEffectEvent, useId, useState, type KeyboardEvent, type ReactNode } from 'react'
import { say } from '../../app/actions.ts'
import { Icon } from '../../ui/Icon.tsx'
import {
  CHAT_FIELDS,
  limits,
  LOAD_FIELDS,
  parseField,
  showNumber,
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

/**
 * One field: label, default that turns into its reset, spinbutton, slider with the default's notch, help line. What is
 * typed counts from Enter or from when the field is left, as a whole or not at all.
 */
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
  // What was not taken, and why; said until something else is done here.
  const [refused, setRefused] = useState<string | null>(null)
  const parsed = typed === null ? null : parseField(name, typed, most)
  const problem = parsed !== null && !parsed.ok ? parsed.problem : null
  const changed = value !== standard
  const empty = auto === undefined ? (field.empty ?? '') : showNumber(auto)
  const usual = standard === null ? empty : showNumber(standard)
  const text = typed ?? (value === null ? '' : showNumber(value))
  // Beside a long label and value the panel has no room for the word "default".
  const crowded = label.length + usual.length + Math.max(8, text.length) > (changed ? 22 : 28)
  const { min, max } = limits(name, most)
  const place = value ?? auto ?? slider?.min ?? 0

  const type = (next: string | null): void => {
    setTyped(next)
    setRefused(null)
  }
  const change = (next: number | null): void => {
    type(null)
    if (next !== value) onChange(next)
  }
  const commit = (): void => {
    if (parsed === null) return
    if (parsed.ok) return change(parsed.value)
    const words = `“${short(text)}” was not taken. ${parsed.problem}`
    type(null)
    setRefused(words)
    say(`${label}: ${words}`)
  }
  // A key or a menu may close the panel over a field that nobody left.
  const leave = useEffectEvent(commit)
  useEffect(() => () => leave(), [])
  const step = (steps: number): void => {
    const from = parsed?.ok ? parsed.value : value
    change(stepped(name, from ?? auto ?? 0, steps, most))
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    // 229: Chromium's last key of a composition.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return
    if (event.key === 'ArrowUp') step(1)
    else if (event.key === 'ArrowDown') step(-1)
    else if (event.key === 'PageUp') step(10)
    else if (event.key === 'PageDown') step(-10)
    else if (event.key === 'Enter') return commit()
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
                change(standard)
                // The button goes; the focus stays with its field.
                document.getElementById(id)?.focus()
              }}
            >
              <Icon of={RotateCcw} size={12} />
              <span className="word">default</span>
              {usual}
            </button>
          ) : (
            <>
              <span className="word">default</span> {usual}
            </>
          )}
        </span>
        <input
          id={id}
          className="n"
          role="spinbutton"
          inputMode="decimal"
          autoComplete="off"
          value={text}
          placeholder={empty}
          aria-valuenow={value ?? auto ?? 0}
          aria-valuetext={value === null ? empty : showNumber(value)}
          aria-valuemin={min}
          aria-valuemax={max}
          aria-invalid={problem !== null}
          aria-describedby={`${id}-help`}
          onChange={(event) => type(event.target.value)}
          onBlur={commit}
          onKeyDown={onKeyDown}
        />
      </div>
      {slider && (
        <Slide
          label={label}
          slider={slider}
          place={place}
          notch={standard ?? auto ?? slider.min}
          onChange={change}
        />
      )}
      <div className="row apart">
        <p className={`help ${problem === null && refused === null ? '' : 'bad'}`} id={`${id}-help`}>
          {problem ?? refused ?? ownHelp ?? field.help}
        </p>
        {children}
      </div>
    </div>
  )
}

const short = (text: string): string => (text.length <= 24 ? text : `${text.slice(0, 23)}…`)

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
