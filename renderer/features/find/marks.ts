/** How found places are marked: painted over the text, which stays as it is. */

// Not in a file of styles: the tool that packs them does not know ::highlight() yet, and says so at every build.
const styles = new CSSStyleSheet()
styles.replaceSync(`
  ::highlight(find) { background-color: var(--selection); }
  ::highlight(find-now) { background-color: var(--season); color: var(--paper); }
  @media (forced-colors: active) {
    ::highlight(find-now) { background-color: Highlight; color: HighlightText; }
  }
`)
document.adoptedStyleSheets.push(styles)

export const markAll = (ranges: readonly Range[]): void =>
  void CSS.highlights.set('find', new Highlight(...ranges))

export function markShown(range: Range | null): void {
  const mark = new Highlight(...(range ? [range] : []))
  mark.priority = 1
  CSS.highlights.set('find-now', mark)
}
