/** The paragraphs of a text that will not grow any more: all but the last one, or all of them once it `ended`. */
export function finishedParagraphs(text: string, ended: boolean): string[] {
  const paragraphs = text.split(/\n{2,}/)
  if (!ended) paragraphs.pop()
  return paragraphs.filter((paragraph) => paragraph.trim() !== '')
}

/** A text from its first line that says something, whose indentation stays. */
export function withoutBlankStart(text: string): string {
  const first = text.search(/\S/)
  return first < 0 ? '' : text.slice(text.lastIndexOf('\n', first) + 1)
}
