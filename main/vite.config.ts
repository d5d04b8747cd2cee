/**
 * Builds what runs outside of the page into dist/main: the main process, the command line, one file for each
 * worker thread and child process (ESM), and the preload script (CommonJS, as a sandboxed page requires).
 * `vite build --app -c main/vite.config.ts [--mode release]`; release: what a package carries, in build/package/main.
 */
import { existsSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { defineConfig, type EnvironmentOptions } from 'vite'

const here = import.meta.dirname
const root = path.dirname(here)

/** Entry name → source. Every `*-worker.ts` and `*-child.ts` below main/ is an entry of its own name. */
function entries(): Record<string, string> {
  const found: Record<string, string> = { main: path.join(here, 'start.ts') }
  const cli = path.join(here, 'cli', 'cli.ts')
  if (existsSync(cli)) found['cli'] = cli
  for (const file of readdirSync(here, { recursive: true, encoding: 'utf8' })) {
    const match = /([^/\\]+-(?:worker|child))\.ts$/.exec(file)
    if (match?.[1]) found[match[1]] = path.join(here, file)
  }
  return found
}

// The oldest runtimes that Kigo runs on: Node 20.18 is both the CLI's minimum and what Electron 33 carries.
const target = ['node20.18', 'chrome130']
const external = ['libsql', 'electron', /^electron\//, /^node:/, ...builtinModules]

const node = (outDir: string, define: Record<string, string>): EnvironmentOptions => ({
  consumer: 'server',
  // Packages written as CommonJS ask for these.
  define: { __filename: 'import.meta.filename', __dirname: 'import.meta.dirname', ...define },
  resolve: { noExternal: true, external: [], conditions: ['node'] },
  build: {
    outDir,
    emptyOutDir: true,
    target,
    minify: false,
    sourcemap: true,
    copyPublicDir: false,
    rolldownOptions: {
      input: entries(),
      external,
      platform: 'node',
      output: { format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunk-[name]-[hash].js' },
    },
  },
})

const preload = (outDir: string): EnvironmentOptions => ({
  consumer: 'server',
  resolve: { noExternal: true, external: [] },
  build: {
    outDir,
    emptyOutDir: false,
    target,
    minify: false,
    copyPublicDir: false,
    rolldownOptions: {
      input: { preload: path.join(here, 'preload.ts') },
      external: ['electron'],
      output: { format: 'cjs', entryFileNames: '[name].cjs', codeSplitting: false },
    },
  },
})

export default defineConfig(({ mode }) => {
  const release = mode === 'release'
  const outDir = path.join(root, release ? 'build/package/main' : 'dist/main')
  return {
    root: here,
    logLevel: 'warn',
    environments: {
      node: node(outDir, { KIGO_TEST_HOOKS: String(!release) }),
      preload: preload(outDir),
    },
    builder: {
      async buildApp(builder) {
        // One after the other: the first empties the folder.
        for (const name of ['node', 'preload']) {
          const environment = builder.environments[name]
          if (environment) await builder.build(environment)
        }
      },
    },
  }
})
