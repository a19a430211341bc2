/** The native objects behind ours, out of reach for callers; and our classes as types, for files below them. */
import type { Description, NativeDataset, NativeEnsemble, NativeModel } from './contract.js'

export declare const kind: unique symbol
/** A `Model`, and nothing else. */
export interface ModelLike {
  readonly [kind]: 'model'
}
/** An `Ensemble`, and nothing else. */
export interface EnsembleLike {
  readonly [kind]: 'ensemble'
}

export const datasets = new WeakMap<object, NativeDataset>()
export const models = new WeakMap<object, NativeModel>()
/** An ensemble, and the description of its first model, which the others fit. */
export const ensembles = new WeakMap<object, { handle: NativeEnsemble; description: Description }>()

/** Whether the native side made this: constructors of ours are private in TypeScript alone. */
export function isHandle(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'describe' in value
}
