/** More lines than anybody types, or says, at once. */
const MANY = 100

/**
 * Text that a program types into a field of many lines, as a tool for dictation does, goes in as one change. Chromium
 * would insert it line by line, and set all lines anew with each: half a minute for 6,000 of them. (What is pasted it
 * inserts at once by itself.)
 */
export function insertAtOnce(event: InputEvent): void {
  const { target: field, inputType, data } = event
  if (!(field instanceof HTMLTextAreaElement) || inputType !== 'insertText' || data === null) return
  if (event.defaultPrevented || data.split('\n', MANY + 1).length <= MANY) return
  event.preventDefault()
  field.setRangeText(data, field.selectionStart, field.selectionEnd, 'end')
  if (field.selectionEnd === field.value.length) field.scrollTop = field.scrollHeight
  field.dispatchEvent(new InputEvent('input', { inputType, data, bubbles: true }))
}
