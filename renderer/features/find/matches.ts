/** Where a text occurs in what is shown. The page's own search, because the browser's finds what is typed into it too. */

/** A text and the places of its occurrences, which do not overlap: whatever the case of letters, any space for a space. */
export function placesOf(text: string, query: string): [start: number, end: number][] {
  if (query.trim() === '') return []
  const words = query.replace(/[\\^$.*+?()[\]{}|/-]/g, (mark) => `\\x${mark.charCodeAt(0).toString(16)}`)
  const pattern = new RegExp(words.replace(/\s+/g, '\\s+'), 'giu')
  return Array.from(text.matchAll(pattern), ({ 0: found, index }) => [index, index + found.length])
}

/** What starts a line of its own: no occurrence reaches from one into the next. */
const BLOCKS = 'p, .ln, li, td, th, h1, h2, h3, h4, h5, h6, pre, dt, dd, button, label, legend, summary, div'
/** What is not read, or is no text of the page. */
const SKIPPED = '.vh, svg, script, style, textarea, select, [hidden]'

/** The occurrences below `root`, from top to bottom. */
export function rangesOf(root: Element, query: string): Range[] {
  if (query.trim() === '') return []
  return blocksOf(root).flatMap((nodes) =>
    placesOf(nodes.map(({ data }) => data).join(''), query).map(([start, end]) => {
      const range = document.createRange()
      range.setStart(...placeIn(nodes, start, false))
      range.setEnd(...placeIn(nodes, end, true))
      return range
    }),
  )
}

/** The text nodes of each block, in order. */
function blocksOf(root: Element): Text[][] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Text
      ? NodeFilter.FILTER_ACCEPT
      : (node as Element).matches(SKIPPED)
        ? NodeFilter.FILTER_REJECT
        : NodeFilter.FILTER_SKIP,
  )
  const blocks: Text[][] = []
  let last: Element | null = null
  while (walker.nextNode()) {
    const node = walker.currentNode as Text
    const block = node.parentElement?.closest(BLOCKS) ?? root
    if (block !== last) blocks.push([])
    blocks.at(-1)?.push(node)
    last = block
  }
  return blocks
}

/** The node and the offset in it that are `at` in the text of all `nodes`; at a seam the end of the one before. */
function placeIn(nodes: readonly Text[], at: number, end: boolean): [Text, number] {
  let left = at
  for (const node of nodes) {
    if (left < node.length || (end && left === node.length)) return [node, left]
    left -= node.length
  }
  const last = nodes.at(-1) as Text
  return [last, last.length]
}
