/** A run that nobody asks for anything trains nothing: that is said aloud, once, when it is given up or the process ends. */

/** What is known of a run without holding it. */
interface Made {
  name: string
}

const unasked = new Set<Made>()
const known = new WeakMap<object, Made>()
const givenUp = new FinalizationRegistry<Made>(say)
let listening = false
let said = false

/** Looks after a run that `name` made; gives it back. */
export function watched<R extends object>(name: string, run: R): R {
  if (said) return run
  const made = { name }
  unasked.add(made)
  known.set(run, made)
  givenUp.register(run, made, made)
  if (!listening) process.on('beforeExit', () => unasked.forEach(say))
  listening = true
  return run
}

/** Somebody asked it for something. */
export function asked(run: object): void {
  const made = known.get(run)
  if (made === undefined) return
  known.delete(run)
  unasked.delete(made)
  givenUp.unregister(made)
}

function say(made: Made): void {
  unasked.delete(made)
  if (said) return
  said = true
  const { name } = made
  const message = `${name}(…) was called and nothing was asked of it, so nothing was trained: iterate it, or await ${name}(…).finish()`
  process.emitWarning(message, { type: 'LimbeckWarning', code: 'LIMBECK_NOT_STARTED' })
}
