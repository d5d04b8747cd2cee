/** What is known at a place of a template while it is compiled. */
import { FunctionScope, Symbols } from './symbols.ts'

/** undefined: only the run knows. */
export type Autoescape = boolean | undefined

export class Frame {
  symbols: Symbols
  autoescape: Autoescape
  /** Not inside of a loop, a macro or another scope: what is set here is seen by blocks. */
  toplevel = false
  /** Inside of a condition: what is missing there is an error only once it is needed. */
  soft = false
  /** break and continue have a loop to act on. */
  inLoop = false

  constructor(symbols: Symbols, autoescape: Autoescape) {
    this.symbols = symbols
    this.autoescape = autoescape
  }

  static root(): Frame {
    return new Frame(new Symbols(new FunctionScope(null), null), false)
  }

  /** A scope of its own in the same function. */
  inner(): Frame {
    const frame = new Frame(new Symbols(this.symbols.scope, this.symbols), this.autoescape)
    frame.inLoop = this.inLoop
    return frame
  }

  /** A scope that is a function of its own. */
  innerFunction(): Frame {
    return new Frame(new Symbols(new FunctionScope(this.symbols.scope), this.symbols), this.autoescape)
  }

  /** Beside this scope, in the same function: the else of a loop that is one. */
  beside(): Frame {
    return new Frame(new Symbols(this.symbols.scope, this.symbols.parent), this.autoescape)
  }

  /** The same scope, under a condition. */
  softened(): Frame {
    const frame = new Frame(this.symbols.copy(), this.autoescape)
    frame.toplevel = this.toplevel
    frame.inLoop = this.inLoop
    frame.soft = true
    return frame
  }
}
