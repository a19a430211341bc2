/**
 * The output of a command: results go to stdout, everything else goes to stderr. With `--json`, stdout has one JSON object
 * per line, and stderr has only errors and warnings, also as JSON.
 */
import picocolors from 'picocolors'
import { failureOf } from './exit.js'

export type Colours = ReturnType<typeof picocolors.createColors>

export interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

/** NO_COLOR wins, then FORCE_COLOR; otherwise terminals have colours and pipes and files have none. */
export function coloursFor(stream: Pick<Terminal, 'isTTY'>, environment: NodeJS.ProcessEnv = process.env): Colours {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment
  let wanted = stream.isTTY === true && TERM !== 'dumb'
  if (FORCE_COLOR !== undefined) wanted = FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  if (NO_COLOR !== undefined && NO_COLOR !== '') wanted = false
  return picocolors.createColors(wanted)
}

export interface OutputFlags {
  json?: boolean
  quiet?: boolean
}

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  /** Colours of stdout and of stderr. */
  readonly out: Colours
  readonly err: Colours
  /** Whether stderr can show a bar that moves. */
  readonly moving: boolean
  /** Set by a bar: called before something else is written to stderr. */
  beforeNote: () => void = () => {}
  readonly #stdout: Terminal
  readonly stderr: Terminal

  constructor(flags: OutputFlags, stdout: Terminal = process.stdout, stderr: Terminal = process.stderr) {
    this.json = flags.json === true
    this.quiet = flags.quiet === true
    this.#stdout = stdout
    this.stderr = stderr
    this.out = coloursFor(stdout)
    this.err = coloursFor(stderr)
    const wide = stderr.isTTY === true && process.env.TERM !== 'dumb' && stderr.columns !== 0
    this.moving = wide && !this.json && !this.quiet
  }

  /** A result for people. */
  line(text: string): void {
    if (this.json || this.quiet) return
    this.beforeNote()
    this.#stdout.write(`${text}\n`)
  }

  /** A result for programs; only with `--json`. */
  data(value: object): void {
    if (this.json) this.#stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** The main result, which `--quiet` does not suppress. */
  answer(text: string): void {
    if (!this.json) this.#stdout.write(`${text}\n`)
  }

  /** The progress, for people. */
  note(text: string): void {
    if (this.json || this.quiet) return
    this.beforeNote()
    this.stderr.write(`${text}\n`)
  }

  /** A final message for people, which `--quiet` does not suppress. */
  last(text: string): void {
    if (this.json) return
    this.beforeNote()
    this.stderr.write(`${text}\n`)
  }

  /** A warning, which no flag suppresses. */
  warning(path: string, message: string, name: string): void {
    this.beforeNote()
    const { bold, yellow } = this.err
    const text = this.json
      ? JSON.stringify({ warning: { proof: name, path, message } })
      : `${bold(yellow('WARNING'))} ${bold(name)} ${path}: ${message}`
    this.stderr.write(`${text}\n`)
  }

  error(error: unknown): void {
    this.beforeNote()
    const failure = failureOf(error)
    const text = this.json ? JSON.stringify({ error: failure }) : `${this.err.bold(this.err.red('error:'))} ${failure.message}`
    this.stderr.write(`${text}\n`)
    if (failure.code === 'ERR_LIMBECK_INTERNAL' && !this.json && error instanceof Error) {
      this.stderr.write(`${this.err.dim(error.stack ?? '')}\n`)
    }
  }
}

/** `0.97431` as `97.43 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}

/** A number in few characters, independent of the locale. */
export function brief(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en')
  const size = Math.abs(value)
  return size >= 1000 ? Math.round(value).toLocaleString('en') : size < 1e-3 ? value.toExponential(2) : value.toPrecision(4)
}

/** Aligns columns: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ')
  return rows.map(row => line(row).trimEnd()).join('\n')
}
