/** Warns once when a run is garbage-collected, or the process ends, before the run was ever started. */

/** Facts about a run; they do not keep it from being collected. */
interface Origin {
  /** The function that made it: `train`. */
  name: string
}

const unstarted = new Set<Origin>()
const origins = new WeakMap<object, Origin>()
const collected = new FinalizationRegistry<Origin>(warn)
let listening = false
let warned = false

/** Watches a run that the function `name` made; returns the run. */
export function watch<R extends object>(name: string, run: R): R {
  if (warned) return run
  const origin = { name }
  unstarted.add(origin)
  origins.set(run, origin)
  collected.register(run, origin, origin)
  if (!listening) process.on('beforeExit', () => unstarted.forEach(warn))
  listening = true
  return run
}

/** The run was used: iterated, checked, stopped or disposed of. */
export function started(run: object): void {
  const origin = origins.get(run)
  if (origin === undefined) return
  origins.delete(run)
  unstarted.delete(origin)
  collected.unregister(origin)
}

function warn(origin: Origin): void {
  unstarted.delete(origin)
  if (warned) return
  warned = true
  const { name } = origin
  const message = `${name}(…) was called but its run was never started, so nothing was trained: iterate it, or await ${name}(…).finish()`
  process.emitWarning(message, { type: 'LimbeckWarning', code: 'LIMBECK_NOT_STARTED' })
}
