import { readFileSync } from 'node:fs'
import path from 'node:path'
import { defineConfig, type Plugin } from 'vite'
import react from '@vitejs/plugin-react'
import tailwindcss from '@tailwindcss/vite'

/** Holds for the built page whatever serves it; main sends the same policy as a header. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const strictPage: Plugin = {
  name: 'kigo-csp',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: CSP },
      injectTo: 'head-prepend',
    },
  ],
}

/** The picture that the system shows for the window, at a name that main knows. */
const windowIcon: Plugin = {
  name: 'kigo-window-icon',
  apply: 'build',
  generateBundle() {
    const source = readFileSync(path.join(import.meta.dirname, '../assets/icon-512.png'))
    this.emitFile({ type: 'asset', fileName: 'icon.png', source })
  },
}

/** `vite renderer` in a plain browser: `window.kigo` is the harness of dev/, chosen by `?scene=chat`. */
const fakeBridge: Plugin = {
  name: 'kigo-fake-bridge',
  apply: 'serve',
  transformIndexHtml: () => [
    { tag: 'script', attrs: { type: 'module', src: '/dev/install.ts' }, injectTo: 'head-prepend' },
  ],
}

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react(), tailwindcss(), strictPage, windowIcon, fakeBridge],
  build: {
    outDir: '../dist/renderer',
    emptyOutDir: true,
    target: 'chrome130',
    // A data: font or image would need a wider policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Read from disk in one piece; splitting it would only cost round trips.
    chunkSizeWarningLimit: 800,
  },
})
