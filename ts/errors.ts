/** What went wrong, from a closed list; every error of limbeck has one. */
export type ErrorCode =
  | 'ERR_LIMBECK_INVALID_CONFIG'
  | 'ERR_LIMBECK_INVALID_DATA'
  | 'ERR_LIMBECK_SHAPE_MISMATCH'
  | 'ERR_LIMBECK_NOT_FINITE'
  | 'ERR_LIMBECK_IO'
  | 'ERR_LIMBECK_INVALID_FILE'
  | 'ERR_LIMBECK_CHECKPOINT_WRITE'
  | 'ERR_LIMBECK_CHECKPOINT_VERSION'
  | 'ERR_LIMBECK_CHECKPOINT_MISMATCH'
  | 'ERR_LIMBECK_BACKEND'
  | 'ERR_LIMBECK_BUSY'
  | 'ERR_LIMBECK_DISPOSED'
  | 'ERR_LIMBECK_CANCELLED'
  | 'ERR_LIMBECK_MEMORY'
  | 'ERR_LIMBECK_PROOF_FAILED'
  | 'ERR_LIMBECK_INTERNAL'

/** The one error of limbeck. Its message reads `path: expected what, got what`. */
export class LimbeckError extends Error {
  override readonly name = 'LimbeckError'
  readonly code: ErrorCode
  /** Where: `losses.kl.temperature`, `labels[3]`, a file. Empty when there is no place to name. */
  readonly path: string
  /** Numbers and names of the message, where a program may want them. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    path: string,
    message: string,
    { cause, ...details }: { cause?: unknown; [detail: string]: unknown } = {},
  ) {
    super(path === '' ? message : `${path}: ${message}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.path = path
    this.details = details
  }
}
