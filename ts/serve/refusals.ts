/** The errors with which a service refuses a call, each with its remedy. */
import { LimbeckError } from '../errors.js'

/** `what` is the reason why the service takes no calls. */
export function gone(what: string): LimbeckError {
  return new LimbeckError('ERR_LIMBECK_DISPOSED', 'service', `expected a service that takes calls, got one that ${what}`)
}

export function busy(waiting: number, rows: number, queue: number): LimbeckError {
  const message =
    `expected at most ${queue} waiting rows, got ${waiting} and ${rows} more: calls arrive faster than they are answered; ` +
    'respond with 503 and let clients retry later, raise queue, or serve with more processes'
  return new LimbeckError('ERR_LIMBECK_BUSY', 'queue', message, { waiting, rows, queue })
}

export function late(allowedMs: number): LimbeckError {
  const deadlineMs = Math.round(allowedMs * 1000) / 1000
  const message =
    `expected an answer within ${deadlineMs} ms, got none: respond with 503, allow more time, ` +
    'or use a smaller queue, which refuses at once the calls that would be too late'
  return new LimbeckError('ERR_LIMBECK_DEADLINE', 'deadlineMs', message, { deadlineMs })
}
