/**
 * What is copied when more than one turn is selected. The list is virtualised: of the turns between the first and the
 * last that are selected the page may hold none, so their text is taken from the conversation.
 */
import type { Message } from '../../../contract/chat.ts'
import { withoutBlankEdges } from './message-text.ts'

/** Where a selection begins and ends: in which turn, and what of it is selected; null: outside, so all from there on. */
interface Ends {
  first: Piece | null
  last: Piece | null
}

interface Piece {
  id: string
  text: string
}

/** The text for the clipboard, each turn under the name of who said it; null where one turn at most is selected. */
export function copiedText(
  range: Range,
  log: Element,
  order: string[],
  messages: Record<string, Message>,
): string | null {
  if (range.collapsed) return null
  const { first, last } = endsOf(range, log)
  const from = first === null ? 0 : order.indexOf(first.id)
  const to = last === null ? order.length - 1 : order.indexOf(last.id)
  if (from < 0 || to <= from) return null
  return order
    .slice(from, to + 1)
    .flatMap((id) => {
      const message = messages[id]
      const text =
        id === first?.id ? first.text : id === last?.id ? last.text : withoutBlankEdges(message?.text ?? '')
      return message === undefined || text === '' ? [] : [`${speaker(message)}:\n${text}`]
    })
    .join('\n\n')
}

const speaker = ({ role, model }: Message): string => (role === 'user' ? 'You' : (model ?? 'Assistant'))

function endsOf(range: Range, log: Element): Ends {
  const turns = [...log.querySelectorAll<HTMLElement>('[data-turn]')]
  const selected = turns.filter((turn) => range.intersectsNode(turn))
  return {
    first: endOf(
      range,
      selected[0],
      (part, turn) => part.setEnd(turn, turn.childNodes.length),
      range.startContainer,
    ),
    last: endOf(range, selected.at(-1), (part, turn) => part.setStart(turn, 0), range.endContainer),
  }
}

/** The selected part of the turn that the range begins or ends in; null where it begins or ends outside of all turns. */
function endOf(
  range: Range,
  turn: HTMLElement | undefined,
  limit: (part: Range, turn: HTMLElement) => void,
  end: Node,
): Piece | null {
  if (turn === undefined || !turn.contains(end)) return null
  const part = range.cloneRange()
  limit(part, turn)
  return { id: turn.dataset['turn'] ?? '', text: textOf(part.cloneContents()) }
}

/** As Prose has it: lines in paragraphs. */
function textOf(part: DocumentFragment): string {
  const lines = (paragraph: Element): string =>
    [...paragraph.querySelectorAll('.ln')].map((line) => line.textContent).join('\n')
  const paragraphs = [...part.querySelectorAll('p')]
  return paragraphs.length === 0 ? part.textContent : paragraphs.map(lines).join('\n\n')
}
