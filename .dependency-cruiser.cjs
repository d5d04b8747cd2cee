/** Which folder may import which; `npm test -- lint` checks it. ARCHITECTURE.md says why. */
const OURS = '^(contract|main|renderer|native|e2e|bench|scripts)/'
const USES_ELECTRON =
  '^main/(start|main|window|page-health|menu|context-menu|open-link|security|app-protocol|preload)\\.ts$|^main/ipc/|^main/models/dialogs'
// Tests and their helpers may look across the borders they test.
const TESTS = '\\.test\\.tsx?$|/testing/'

module.exports = {
  forbidden: [
    {
      name: 'contract-stands-alone',
      comment: 'contract/ is what both sides share: of our own folders it imports none.',
      severity: 'error',
      from: { path: '^contract/', pathNot: TESTS },
      to: { path: OURS, pathNot: '^contract/' },
    },
    {
      name: 'contract-needs-only-zod',
      comment: 'It is bundled into the page and into main; zod is its only package.',
      severity: 'error',
      from: { path: '^contract/', pathNot: TESTS },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'core'],
        pathNot: 'node_modules/zod/',
      },
    },
    {
      name: 'renderer-sees-contract-alone',
      comment: 'The page is untrusted: it knows main by the contract and nothing else.',
      severity: 'error',
      from: { path: '^renderer/', pathNot: `${TESTS}|^renderer/vite\\.config\\.ts$` },
      to: { path: OURS, pathNot: '^(contract|renderer)/' },
    },
    {
      name: 'renderer-has-no-node',
      comment: 'The page is sandboxed: Node and Electron are not there.',
      severity: 'error',
      from: { path: '^renderer/', pathNot: `${TESTS}|^renderer/vite\\.config\\.ts$|\\.mjs$` },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'electron-at-the-edge',
      comment:
        'Engine, gguf, tokenizer, chat, store and the command run under plain Node and are tested there.',
      severity: 'error',
      from: { path: '^(main|contract|renderer)/', pathNot: USES_ELECTRON },
      to: { path: '^(electron$|node_modules/electron/)' },
    },
    {
      name: 'product-without-tests',
      comment: 'Nothing that ships imports a test, a test helper or the scripts.',
      severity: 'error',
      from: { path: '^(contract|main|renderer)/', pathNot: TESTS },
      to: { path: `${TESTS}|^(e2e|bench|scripts)/` },
    },
    {
      name: 'no-circles',
      comment: 'Modules that import each other cannot be understood one at a time.',
      severity: 'error',
      from: { path: '^(contract|main|renderer)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'not-to-unresolvable',
      comment: 'The module does not exist.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|build|release|\\.cache)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    builtInModules: { add: ['electron'] },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.cjs', '.json', '.css'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
}
