/**
 * Handles Ctrl-C. During a run, the first Ctrl-C stops the run after the current step and the second ends the process; at any
 * other time, the first ends the process.
 */
import { exitCodes } from './exit.js'

export interface Interrupt {
  readonly asked: boolean
  readonly signal: AbortSignal
  /** The run has ended: from now on Ctrl-C ends the process. */
  release(): void
}

let current: { controller: AbortController; first: () => void } | undefined

function onSignal(): void {
  if (current === undefined || current.controller.signal.aborted) process.exit(exitCodes.interrupted)
  current.controller.abort()
  current.first()
}

/** Installs the handlers for SIGINT and SIGTERM. */
export function hearSignals(): void {
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}

/** A run begins; `first` is called when the user asks for it to stop. */
export function interruptible(first: () => void): Interrupt {
  const controller = new AbortController()
  const mine = { controller, first }
  current = mine
  return {
    get asked() {
      return controller.signal.aborted
    },
    signal: controller.signal,
    release() {
      if (current === mine) current = undefined
    },
  }
}

/** The command line that resumes this run: the same arguments, and `--resume`. */
export function resumeLine(args: readonly string[] = process.argv.slice(2)): string {
  const all = args.includes('--resume') ? args : [...args, '--resume']
  return ['limbeck', ...all].map(quoted).join(' ')
}

/** An argument as a POSIX shell reads it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
