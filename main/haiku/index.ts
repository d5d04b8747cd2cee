export { haikuProblem, numbersIn, type HaikuProblem } from './check.ts'
export { haikuPrompt } from './prompt.ts'
export { MAX_ATTEMPTS, runHaiku, type HaikuOptions } from './run.ts'
export { minuteInWords } from './words.ts'
