/** The models of a configuration: a file to load, or options to create one. */
import { plain, text, texts, whole, type Plain } from '../read.js'
import type { Normalization } from '../dataset.js'
import { Model, type CreateOptions, type ModelOptions } from '../index.js'
import { under } from './exit.js'

/** Loads a model: `spec` is the path of a file, or `{ file, architecture }` for a file that contains only tensors. */
export async function loadModel(place: string, spec: unknown): Promise<Model> {
  const own: Plain = typeof spec === 'string' ? { file: spec } : plain(place, spec, ['file', 'architecture'])
  const file = text(typeof spec === 'string' ? place : `${place}.file`, own.file)
  const { architecture } = own
  return architecture === undefined
    ? Model.load(file)
    : under(`${place}.architecture`, () => Model.load(file, architecture as ModelOptions))
}

export interface StudentPlan {
  /** The model, if it comes from a file. */
  loaded: Model | undefined
  /** Creates the student, with the label names and the normalization of the data. */
  make(fromData: { labelNames?: readonly string[] | undefined; normalization?: Normalization | undefined }): Promise<Model>
}

/**
 * Reads a student: a file to continue from, or the options of `Model.create` with the further keys `seed` (default: the
 * run's), `labelNames` and `normalization`.
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
    make: fromData =>
      under(place, () =>
        Model.create(architecture as ModelOptions, {
          ...(fromData.labelNames && { labelNames: fromData.labelNames }),
          ...(fromData.normalization && { normalization: fromData.normalization }),
          ...options,
        }),
      ),
  }
}

/** The model of a command: `model` (set by `--model`), or else `out`. */
export function modelSpec(config: Plain): unknown {
  return config.model ?? config.out
}

