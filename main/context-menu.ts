/** The menu of the right button: what can be done with what is under it. Native, so a hanging page has it too. */
import { clipboard, Menu, type BrowserWindow, type MenuItemConstructorOptions } from 'electron'

export function watchContextMenu(window: BrowserWindow): void {
  window.webContents.on('context-menu', (_event, { isEditable, editFlags, selectionText, linkURL, x, y }) => {
    const items: MenuItemConstructorOptions[] = []
    if (linkURL !== '')
      items.push(
        { label: 'Copy link', click: () => void clipboard.writeText(linkURL) },
        { type: 'separator' },
      )
    // What cannot be done now is grey, so that the items keep their places.
    if (isEditable) {
      items.push(
        { role: 'undo', enabled: editFlags.canUndo },
        { role: 'redo', enabled: editFlags.canRedo },
        { type: 'separator' },
        { role: 'cut', enabled: editFlags.canCut },
      )
    }
    items.push({ role: 'copy', enabled: editFlags.canCopy && selectionText !== '' })
    if (isEditable) items.push({ role: 'paste', enabled: editFlags.canPaste })
    items.push(
      { type: 'separator' },
      { role: 'selectAll', label: 'Select all', enabled: editFlags.canSelectAll },
    )
    Menu.buildFromTemplate(items).popup({ window, x, y })
  })
}
