/** The exit codes of commands, and how errors are printed. */
import { CommanderError } from 'commander'
import { elsewhere, LimbeckError } from '../errors.js'

/** Documented in `limbeck --help`. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** Errors that the user must fix: invalid options, or a configuration that does not fit. */
const usageErrors: readonly string[] = [
  'ERR_LIMBECK_INVALID_CONFIG',
  'ERR_LIMBECK_SHAPE_MISMATCH',
  'ERR_LIMBECK_BACKEND',
  'ERR_LIMBECK_CHECKPOINT_MISMATCH',
]

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof LimbeckError && usageErrors.includes(error.code)) return exitCodes.usage
  return exitCodes.failed
}

/** An error as `--json` prints it. */
export interface Failure {
  code: string
  path: string
  message: string
}

export function failureOf(error: unknown): Failure {
  if (error instanceof LimbeckError) return { code: error.code, path: error.path, message: error.message }
  if (error instanceof CommanderError) {
    return { code: 'ERR_LIMBECK_INVALID_CONFIG', path: '', message: error.message.replace(/^error: /, '') }
  }
  return { code: 'ERR_LIMBECK_INTERNAL', path: '', message: error instanceof Error ? error.message : String(error) }
}

/** Rejects an option of the command line or of the configuration. */
export function refuse(path: string, message: string): never {
  throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', path, message)
}

/** Prefixes the paths of errors of `work` with a key of the configuration: `convNet.channels` becomes `student.convNet.channels`. */
export async function under<T>(place: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LimbeckError)) throw error
    throw elsewhere(error, path => (path === '' ? place : `${place}.${path}`))
  }
}
