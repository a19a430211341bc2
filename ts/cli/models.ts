/** Models as a configuration names them: a file, or what to make. */
import { plain, text, texts, whole, type Plain } from '../read.js'
import type { Normalization } from '../dataset.js'
import { Model, type CreateOptions, type ModelOptions } from '../index.js'
import { under } from './exit.js'

/** The model of a file: its path, or `{ file, architecture }` for files that hold tensors alone. */
export async function loadModel(place: string, spec: unknown): Promise<Model> {
  const own: Plain = typeof spec === 'string' ? { file: spec } : plain(place, spec, ['file', 'architecture'])
  const file = text(typeof spec === 'string' ? place : `${place}.file`, own.file)
  const { architecture } = own
  return architecture === undefined
    ? Model.load(file)
    : under(`${place}.architecture`, () => Model.load(file, architecture as ModelOptions))
}

export interface StudentPlan {
  /** Where it comes from a file. */
  loaded: Model | undefined
  /** The student, with what only the data know. */
  make(knows: { labelNames?: readonly string[] | undefined; normalization?: Normalization | undefined }): Promise<Model>
}

/**
 * A file to go on from, or what `Model.create` takes, and beside it `seed` (default: the run's), `labelNames` and
 * `normalization`.
 */
export async function studentPlan(place: string, spec: unknown, runSeed: unknown): Promise<StudentPlan> {
  if (typeof spec === 'string' || (typeof spec === 'object' && spec !== null && 'file' in spec)) {
    const loaded = await loadModel(place, spec)
    return { loaded, make: async () => loaded }
  }
  const { seed = runSeed, labelNames, normalization, ...architecture } = plain(place, spec)
  const options: CreateOptions = {}
  if (seed !== undefined) options.seed = whole(seed === runSeed ? 'seed' : `${place}.seed`, seed, 0)
  if (labelNames !== undefined) options.labelNames = texts(`${place}.labelNames`, labelNames)
  if (normalization !== undefined) options.normalization = normalization as Normalization
  return {
    loaded: undefined,
    make: knows =>
      under(place, () =>
        Model.create(architecture as ModelOptions, {
          ...(knows.labelNames && { labelNames: knows.labelNames }),
          ...(knows.normalization && { normalization: knows.normalization }),
          ...options,
        }),
      ),
  }
}

/** What `--model` names, or else the configuration. */
export function modelSpec(config: Plain): unknown {
  return config.model ?? config.out
}

