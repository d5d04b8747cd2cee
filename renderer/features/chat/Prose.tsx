import { memo } from 'react'

interface Props {
  text: string
  /** The season's block at the end, where the next word will stand. */
  caret?: boolean
}

/**
 * Plain text with its line breaks: an empty line separates paragraphs, every line finds its own direction.
 * While a reply grows only its last paragraph is rendered again.
 */
export function Prose({ text, caret = false }: Props) {
  const paragraphs = text.split('\n\n')
  const last = paragraphs.length - 1
  return (
    <div className="prose text">
      {paragraphs.map((paragraph, i) => (
        <Paragraph key={i} text={paragraph} caret={caret && i === last} />
      ))}
    </div>
  )
}

const Paragraph = memo(function Paragraph({ text, caret }: Required<Props>) {
  const lines = text.split('\n')
  return (
    <p dir="auto">
      {lines.map((line, i) => (
        <span key={i} className="ln" dir="auto">
          {line}
          {caret && i === lines.length - 1 && <i className="caret" />}
        </span>
      ))}
    </p>
  )
})
