/** The options that all regimes have in common, read and checked once. */
import { isSource } from '../stream.js'
import { below, json, list, plain, refuse, signalOf, text, type Plain } from '../read.js'
import { datasetOf, type Dataset } from '../dataset.js'
import { awaiting } from '../errors.js'
import type { Model } from '../model/model.js'
import { datasets, models } from '../native/handles.js'
import type { CheckpointOptions, TrainOptions } from '../native/options.js'
import { trainOptionKeys } from '../native/options.js'
import type { StageOutcome } from './sequence.js'
import { BatchStream } from '../stream.js'
import type { RunOptions } from '../run/options.js'
import { Run } from '../run/run.js'
import { Teacher } from '../teacher.js'
import type { AnyTeacher } from '../teachers.js'

/** The options of a run without its student: the regime decides which models are trained. */
export type RegimeOptions = Omit<RunOptions, 'student'>

/** Options of one stage; they replace those that all stages share. */
export type StageOptions = Partial<Omit<TrainOptions, 'checkpoint'>>

/** The checked options. */
export interface Shared {
  /** The regime's own options. */
  own: Plain
  /** The training options of every stage. */
  options: Plain
  data: unknown
  validation: Dataset | undefined
  checkpoint: Partial<CheckpointOptions> | undefined
  signal: AbortSignal | undefined
}

const ours = ['data', 'validation', 'resume', 'signal']
/** Options that may change when a regime is resumed, because they do not change its bits. */
const free = ['threads', 'niceness', 'reportEvery', 'maxMemoryBytes', 'backend']

/** Reads the options of a regime; `keys` are its own. */
export function sharedOf(given: unknown, keys: readonly string[]): Shared {
  const all = plain('', given, [...keys, ...ours, ...trainOptionKeys])
  const own: Plain = Object.create(null) as Plain
  const options: Plain = Object.create(null) as Plain
  for (const [key, value] of Object.entries(all)) {
    if (value === undefined || ours.includes(key) || key === 'checkpoint') continue
    const place = keys.includes(key) ? own : options
    place[key] = value
  }
  if (all.validation !== undefined) datasetOf('validation', all.validation)
  const validation = all.validation as Dataset | undefined
  return {
    own,
    options: { ...(kept(all.data, options) && validation !== undefined && { keep: 'best' }), ...options },
    data: all.data,
    validation,
    checkpoint: checkpointOf(all.checkpoint, all.resume),
    signal: signalOf('signal', all.signal),
  }
}

/** Whether validations happen by default, so that the best parameters can be kept. */
function kept(data: unknown, { validateEvery }: Plain): boolean {
  return !(data instanceof BatchStream || isSource(data)) || validateEvery !== undefined
}

function checkpointOf(checkpoint: unknown, resume: unknown): Partial<CheckpointOptions> | undefined {
  if (checkpoint === undefined && resume === undefined) return undefined
  const own = checkpoint === undefined ? {} : plain('checkpoint', checkpoint, ['folder', 'every', 'keep', 'resume'])
  if (resume !== undefined) {
    const folder = text('resume', resume)
    if (own.folder !== undefined && own.folder !== folder) refuse('resume', 'the same folder as checkpoint.folder, or no checkpoint.folder', folder)
    return { ...own, folder, resume: true }
  }
  return { ...own, folder: text('checkpoint.folder', own.folder) }
}

/** The options of one stage: its own options replace the shared ones. */
export function stageOptions(shared: Plain, own: StageOptions | Plain = {}): Plain {
  const merged: Plain = { ...shared, ...own }
  if (own.steps !== undefined && own.epochs === undefined) delete merged.epochs
  if (own.epochs !== undefined && own.steps === undefined) delete merged.steps
  return merged
}

/** Options for each stage; each entry may be empty. */
export function eachStage(path: string, given: unknown, count: number): Plain[] {
  if (given === undefined) return Array.from({ length: count }, () => ({}))
  const all = list(path, given)
  if (all.length !== count) refuse(path, `one entry per student, ${count}`, all.length)
  const keys = trainOptionKeys.filter(key => key !== 'checkpoint')
  return all.map((entry, index) => plain(`${path}[${index}]`, entry, keys))
}

/** The run of one stage; with `train` it has no teacher. */
export function stageRun(
  { data, validation, signal }: Shared,
  options: Plain,
  student: Model,
  teacher: AnyTeacher | undefined,
  checkpoint?: CheckpointOptions,
  method: 'train' | 'distill' = 'distill',
): Run {
  return new Run(method, {
    ...options,
    student,
    data,
    ...(teacher !== undefined && { teacher }),
    ...(validation !== undefined && { validation }),
    ...(checkpoint !== undefined && { checkpoint }),
    ...(signal !== undefined && { signal }),
  })
}

/** Rejects data that only one stage could read. */
export function readableAgain({ data }: Shared, stages: number): void {
  const source = data instanceof BatchStream ? data.source : data
  if (stages > 1 && isSource(source) && typeof source !== 'function') {
    refuse('data', `a Dataset, or a function that creates the batches again for each of ${stages} stages`, source)
  }
}

/** Everything that determines the bits, as plain JSON: options, data, teacher, shapes of the students. */
export async function begun(shared: Shared, own: unknown, teacher: unknown, students: readonly Model[]): Promise<unknown> {
  const options = Object.fromEntries(Object.entries(shared.options).filter(([key]) => !free.includes(key)))
  const dataOf = async (value: unknown) => {
    const handle = datasets.get(value as object)
    return handle === undefined ? null : awaiting(() => handle.fingerprint())
  }
  const identityOf = async (one: unknown): Promise<unknown> => {
    const model = typeof one === 'object' && one !== null ? models.get(one) : undefined
    if (model !== undefined) return awaiting(() => model.fingerprint())
    if (Array.isArray(one)) return Promise.all(one.map(identityOf))
    if (one instanceof Teacher || typeof one === 'function') return 'function'
    if (typeof one !== 'object' || one === null) return one ?? 'column'
    return Object.fromEntries(await Promise.all(Object.entries(one).map(async ([key, value]) => [key, await identityOf(value)])))
  }
  return {
    options: JSON.parse(json('', options)) as unknown,
    own,
    data: await dataOf(shared.data),
    validation: shared.validation === undefined ? null : await dataOf(shared.validation),
    teacher: await identityOf(teacher),
    students: students.map(student => student.architecture),
  }
}

/** The path of an option of stage `index`: `losses.kl` becomes `hops[1].losses.kl` if the stage has losses of its own. */
export function stagePlace(own: Plain, options: string, models: string, index: number): (path: string) => string {
  return path => {
    const key = /^\w+/.exec(path)?.[0] ?? ''
    if (Object.hasOwn(own, key)) return below(`${options}[${index}]`, path)
    const student = path.replace(/^student\.?/, '')
    return index === 0 && student === path ? path : below(`${models}[${index}]`, student).replace(/\.$/, '')
  }
}

/** How good the model of a stage is on the validation rows, by the metric that its run compared validations by; higher is better. */
export function score({ validation, summary: { best } }: StageOutcome): number {
  if (validation === undefined || best === undefined) return -Infinity
  // A metric that compares with the teacher is known only from the run.
  const measure = validation[best.metric]
  const value = typeof measure === 'number' ? measure : best.value
  return best.better === 'lower' || best.metric === 'loss' ? -value : value
}
