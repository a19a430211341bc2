/** Which native object stands behind one of ours; nobody outside can reach it. */
import type { NativeDataset, NativeEnsemble, NativeModel } from './contract.js'

export const datasets = new WeakMap<object, NativeDataset>()
export const models = new WeakMap<object, NativeModel>()
export const ensembles = new WeakMap<object, NativeEnsemble>()

/** Whether the native side made this: constructors of ours are private in TypeScript alone. */
export function isHandle(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'describe' in value
}
