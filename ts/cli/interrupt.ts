/**
 * Ctrl-C. Where a run is under way, the first asks it to stop after a whole step and the second ends the process;
 * everywhere else the first ends it.
 */
import { exitCodes } from './exit.js'

export interface Interrupt {
  readonly asked: boolean
  readonly signal: AbortSignal
  /** There is nothing to lose any more. */
  release(): void
}

let current: { controller: AbortController; first: () => void } | undefined

function hear(): void {
  if (current === undefined || current.controller.signal.aborted) process.exit(exitCodes.interrupted)
  current.controller.abort()
  current.first()
}

/** From here on the process ends by signals as said above. */
export function hearSignals(): void {
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
}

/** A run is under way: `first` is told when it is to stop. */
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

/** The command line that goes on with this run: as it was called, and `--resume`. */
export function resumeLine(args: readonly string[] = process.argv.slice(2)): string {
  const all = args.includes('--resume') ? args : [...args, '--resume']
  return ['limbeck', ...all].map(quoted).join(' ')
}

/** An argument as a POSIX shell reads it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
