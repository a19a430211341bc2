/**
 * The part of the native side that the facade uses: the generated binding, and the types of its JSON texts.
 *
 * The native side throws plain errors whose message is JSON: `{ code, path, message, details? }`. The facade makes JSON texts
 * only from plain values that it has checked.
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
  NativeTokenizer,
  RawBatch,
} from '#native'

/** Describes the column of a teacher's logits. */
export interface TeacherJson {
  /** Logits per row. */
  width: number
  /** The temperature of `teacherTail`. */
  temperature?: number
}

/** The JSON that describes `Buffers`. */
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

/** The result of `describe` of a native model. */
export interface Description {
  input: number[] | { ids: { length?: number } }
  output: number[]
  classes: number
  parameters: number
  bytes: number
  inputNames: string[] | null
  labelNames: string[] | null
  /** If the inputs can be texts: the longest in tokens, and the digest of the tokenizer. */
  texts: { maxTokens: number | null; tokenizer: string } | null
  preprocessing: { normalization?: Normalization; bytes?: { scale: number; offset: number } }
  provenance: unknown
  architecture: { input: unknown; layers: unknown[] }
  version: number
}

/** The queues for the second models of a service. */
export type Lane = 'fallback' | 'shadow'

export type Native = Omit<typeof binding, '__napiBindingTarget'>

/** Every name of `Native`. A binary that was built from other sources may lack some of them. */
export const exported = Object.keys({
  NativeDataset: true,
  NativeModel: true,
  NativeJob: true,
  NativeEnsemble: true,
  NativeCancel: true,
  NativeTokenizer: true,
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
