/** What goes wrong in a template, under the names that Python and Jinja2 give it. */

export type ErrorKind =
  | 'TemplateSyntaxError'
  | 'TemplateAssertionError'
  | 'TemplateRuntimeError'
  | 'UndefinedError'
  | 'SecurityError'
  | 'FilterArgumentError'
  | 'AssertionError'
  | 'AttributeError'
  | 'IndexError'
  | 'KeyError'
  | 'OverflowError'
  | 'RecursionError'
  | 'RuntimeError'
  | 'TypeError'
  | 'ValueError'
  | 'ZeroDivisionError'

export class TemplateError extends Error {
  readonly kind: ErrorKind
  /** Of the template; where it is not known yet, whoever catches the error fills it in. */
  line: number | undefined

  constructor(kind: ErrorKind, message: string, line?: number) {
    super(message)
    this.name = kind
    this.kind = kind
    this.line = line
  }
}

/** The template itself called raise_exception(): its words are for the person, and nothing is wrong with it. */
export class TemplateRaised extends Error {}

export function typeError(message: string): TemplateError {
  return new TemplateError('TypeError', message)
}

export function valueError(message: string): TemplateError {
  return new TemplateError('ValueError', message)
}

export function isKind(error: unknown, ...kinds: ErrorKind[]): error is TemplateError {
  return error instanceof TemplateError && kinds.includes(error.kind)
}
