/**
 * What the facade uses of the native side: the generated binding, and the JSON texts that go with it.
 *
 * Errors come as plain errors whose message is JSON: `{ code, path, message, details? }`. JSON texts are made by the
 * facade from plain values that it has checked.
 */
import type * as binding from '#native'
import type { Normalization } from './options.js'

export type {
  Buffers,
  NativeDataset,
  NativeEnsemble,
  NativeJob,
  NativeModel,
  NativePrediction,
  RawBatch,
} from '#native'

/** What the column of a teacher's answers is. */
export interface TeacherJson {
  /** Numbers per answer. */
  width: number
  /** Of `teacherTail`. */
  temperature?: number
}

/** The JSON beside `Buffers`. */
export interface ColumnsJson {
  inputs:
    | { f32: { shape: number[] } }
    | { u8: { shape: number[]; scale: number; offset: number } }
    | { ids: { length: number } }
    | { ragged: { weights?: true } }
  labels?:
    | { single: { classes?: number } }
    | { several: { classes: number } }
    | { probabilities: { classes: number } }
    | { real: { outputs: number } }
  teacher?: TeacherJson
  inputNames?: string[]
  labelNames?: string[]
}

/** What `describe` of a native model returns. */
export interface Description {
  input: number[] | { ids: { length?: number } }
  output: number[]
  classes: number
  parameters: number
  bytes: number
  inputNames: string[] | null
  labelNames: string[] | null
  preprocessing: { normalization?: Normalization; bytes?: { scale: number; offset: number } }
  provenance: unknown
  architecture: { input: unknown; layers: unknown[] }
  version: number
}

/** The queues of what a service asks in addition to its own model. */
export type Lane = 'fallback' | 'shadow'

export type Native = Omit<typeof binding, '__napiBindingTarget'>

/** Every name of `Native`: what a binary that was built from other sources may lack. */
export const exported = Object.keys({
  NativeDataset: true,
  NativeModel: true,
  NativeJob: true,
  NativeEnsemble: true,
  NativeCancel: true,
  analyse: true,
  nativeVersion: true,
  doctor: true,
  schema: true,
  golden: true,
  losses: true,
  lossesNeedTeacher: true,
  memory: true,
  trimMemory: true,
} satisfies Record<keyof Native, true>) as (keyof Native)[]
