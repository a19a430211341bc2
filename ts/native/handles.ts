/** The native objects of our classes, which callers cannot reach; and types of these classes for files that must not import them. */
import type { Description, NativeDataset, NativeEnsemble, NativeModel, NativeTokenizer } from './contract.js'

export declare const kind: unique symbol
/** A type that only `Model` has. */
export interface ModelLike {
  readonly [kind]: 'model'
}
/** A type that only `Ensemble` has. */
export interface EnsembleLike {
  readonly [kind]: 'ensemble'
}

export const datasets = new WeakMap<object, NativeDataset>()
export const models = new WeakMap<object, NativeModel>()
export const tokenizers = new WeakMap<object, NativeTokenizer>()
/** The native object and the description of each ensemble. */
export const ensembles = new WeakMap<object, { handle: NativeEnsemble; description: Description }>()

/** Whether this is a native object: our constructors are private only in TypeScript, so callers can pass any value. */
export function isHandle(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'describe' in value
}
