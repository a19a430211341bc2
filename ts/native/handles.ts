/** Which native object stands behind one of ours; nobody outside can reach it. */
import type { NativeDataset, NativeModel } from './contract.js'

export const datasets = new WeakMap<object, NativeDataset>()
export const models = new WeakMap<object, NativeModel>()
