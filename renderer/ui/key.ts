/** How a shortcut is written on this computer: "Ctrl N", "⌘N". */
const mac = navigator.platform.startsWith('Mac')

export const key = (name: string): string => (mac ? `⌘${name}` : `Ctrl ${name}`)
export const modifier = mac ? '⌘' : 'Ctrl'
export const withModifier = (event: KeyboardEvent): boolean =>
  (mac ? event.metaKey : event.ctrlKey) && !event.altKey
