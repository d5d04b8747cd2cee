/**
 * The application menu. Where the window has no menu bar, the title bar's "Menu" button pops up the same; its
 * accelerators work either way. A key that the page has handled and prevented does not come here.
 */
import { app, Menu, type MenuItemConstructorOptions } from 'electron'
import type { Command } from '../contract/ipc.ts'

export interface MenuActions {
  send: (command: Command) => void
  openLogs: () => void
}

export function buildMenu({ send, openLogs }: MenuActions): Menu {
  const item = (label: string, command: Command, accelerator?: string): MenuItemConstructorOptions => ({
    label,
    ...(accelerator ? { accelerator } : {}),
    click: () => send(command),
  })
  const mac = process.platform === 'darwin'
  const template: MenuItemConstructorOptions[] = [
    ...(mac ? [{ role: 'appMenu' } satisfies MenuItemConstructorOptions] : []),
    {
      label: 'File',
      submenu: [
        item('New chat', 'newChat', 'CmdOrCtrl+N'),
        { type: 'separator' },
        item('Open model…', 'openModel', 'CmdOrCtrl+O'),
        item('Models', 'showModels'),
        item('Unload model', 'unloadModel'),
        { type: 'separator' },
        mac ? { role: 'close' } : { label: 'Quit', accelerator: 'Ctrl+Q', click: () => app.quit() },
      ],
    },
    {
      label: 'Edit',
      submenu: [
        { role: 'undo' },
        { role: 'redo' },
        { type: 'separator' },
        { role: 'cut' },
        { role: 'copy' },
        { role: 'paste' },
        { role: 'selectAll', label: 'Select all' },
        { type: 'separator' },
        item('Find…', 'find', 'CmdOrCtrl+F'),
      ],
    },
    {
      label: 'View',
      submenu: [
        item('Sidebar', 'toggleSidebar', 'CmdOrCtrl+B'),
        item('Settings', 'toggleSettings', 'CmdOrCtrl+,'),
        { type: 'separator' },
        item('Jump to latest', 'jumpToLatest', 'CmdOrCtrl+End'),
        item('Next region', 'focusNext', 'F6'),
        item('Previous region', 'focusPrevious', 'Shift+F6'),
        { type: 'separator' },
        { role: 'zoomIn', label: 'Zoom in', accelerator: 'CmdOrCtrl+Plus' },
        // The same key without Shift, and the number pad.
        { role: 'zoomIn', accelerator: 'CmdOrCtrl+=', visible: false, acceleratorWorksWhenHidden: true },
        { role: 'zoomIn', accelerator: 'CmdOrCtrl+numadd', visible: false, acceleratorWorksWhenHidden: true },
        { role: 'zoomOut', label: 'Zoom out', accelerator: 'CmdOrCtrl+-' },
        {
          role: 'zoomOut',
          accelerator: 'CmdOrCtrl+numsub',
          visible: false,
          acceleratorWorksWhenHidden: true,
        },
        { role: 'resetZoom', label: 'Actual size', accelerator: 'CmdOrCtrl+0' },
        {
          role: 'resetZoom',
          accelerator: 'CmdOrCtrl+num0',
          visible: false,
          acceleratorWorksWhenHidden: true,
        },
        { role: 'togglefullscreen', label: 'Full screen' },
      ],
    },
    {
      role: 'help',
      label: 'Help',
      submenu: [
        item('Keyboard shortcuts', 'shortcuts', 'CmdOrCtrl+/'),
        item('Haiku test', 'haiku'),
        { type: 'separator' },
        { label: 'Open logs', click: openLogs },
      ],
    },
  ]
  return Menu.buildFromTemplate(template)
}
