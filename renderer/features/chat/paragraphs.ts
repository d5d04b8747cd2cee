/** The paragraphs of a text that will not grow any more: all but the last one, or all of them once it `ended`. */
export function finishedParagraphs(text: string, ended: boolean): string[] {
  const paragraphs = text.split(/\n{2,}/)
  if (!ended) paragraphs.pop()
  return paragraphs.filter((paragraph) => paragraph.trim() !== '')
}
