/** Why a service does not answer a call, with the remedy. */
import { LimbeckError } from '../errors.js'

/** `what` is what has become of the service. */
export function gone(what: string): LimbeckError {
  return new LimbeckError('ERR_LIMBECK_DISPOSED', 'service', `expected a service that takes calls, got one that ${what}`)
}

export function busy(waiting: number, rows: number, queue: number): LimbeckError {
  const message =
    `expected at most ${queue} waiting rows, got ${waiting} and ${rows} more: calls come faster than they are answered; ` +
    'answer 503 and let them come again later, raise queue, or serve with more processes'
  return new LimbeckError('ERR_LIMBECK_BUSY', 'queue', message, { waiting, rows, queue })
}

export function late(allowedMs: number): LimbeckError {
  const deadlineMs = Math.round(allowedMs * 1000) / 1000
  const message =
    `expected an answer within ${deadlineMs} ms, got none: answer 503, allow more time, ` +
    'or serve with a smaller queue, which refuses at once what would come too late'
  return new LimbeckError('ERR_LIMBECK_DEADLINE', 'deadlineMs', message, { deadlineMs })
}
