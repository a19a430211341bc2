/**
 * What the facade uses of the native side, and nothing more. A test compares it with the generated `binding.d.ts`.
 *
 * Errors come as plain errors whose message is JSON: `{ code, path, message, details? }`. JSON texts are made by the
 * facade from plain values that it has checked.
 */

/** Typed arrays that cross once, copied before the call or the promise returns; which are given is said by the JSON beside them. */
export interface Buffers {
  f32?: Float32Array
  u8?: Uint8Array
  ids?: Uint32Array
  /** Ragged rows: one more than there are rows. */
  offsets?: Uint32Array
  /** Weights of ragged ids, one per id. */
  idWeights?: Float32Array
  /** One class a row; 2³² − 1 where it is not known. */
  labels?: Uint32Array
  /** Several labels at once or real numbers, `[rows, width]`. */
  targets?: Float32Array
  sampleIds?: Float64Array
  /** Row weights of the losses. */
  weights?: Float32Array
  sampling?: Float32Array
  /** Teacher logits, `[answers, classes]`, and whose answer each of them is. */
  teacher?: Float32Array
  teacherIds?: Float64Array
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
  teacher?: { classes: number }
  inputNames?: string[]
  labelNames?: string[]
}

/** Raw inputs of some rows, for teachers that are JavaScript functions. */
export interface RawBatch {
  f32?: Float32Array
  ids?: Uint32Array
  offsets?: Uint32Array
  idWeights?: Float32Array
  shape: number[]
  sampleIds: Float64Array
}

export interface NativeDataset {
  rows(): number
  describe(): string
  select(positions: Uint32Array): NativeDataset
  /** `groups`: which rows stay together. */
  split(json: string, groups?: Uint32Array): NativeDataset[]
  normalization(): Promise<string>
  withTeacher(json: string, logits: Float32Array, ids?: Float64Array): NativeDataset
  batch(positions: Uint32Array): RawBatch
  /** Over all rows. */
  fingerprint(): Promise<string>
  dispose(): void
}

export interface NativePrediction {
  rows: number
  classes: number
  logits: Float32Array
  probabilities: Float32Array
  labels: Uint32Array
}

/** What a service asks beside its own model: behind nothing that it asks that one. */
export type Lane = 'fallback' | 'shadow'

export interface NativeModel {
  save(path: string): Promise<void>
  summary(): string
  describe(): string
  /** Which `describe` is of now. */
  version(): number
  setInputNames(names: string[]): void
  setLabelNames(names: string[]): void
  setPreprocessing(json: string): void
  predict(json: string, buffers: Buffers, lane?: Lane): Promise<NativePrediction>
  predictSync(json: string, buffers: Buffers): NativePrediction
  evaluate(dataset: NativeDataset, teacher?: NativeModel): Promise<string>
  logits(dataset: NativeDataset): Promise<Float32Array>
  parameters(): string
  parameter(name: string): Float32Array
  setParameter(name: string, values: Float32Array): void
  copyFrom(other: NativeModel, json: string): string[]
  generatorPlan(teacher: NativeModel, json: string): string
  startFrom(teacher: NativeModel, json: string, seed: number): string
  clone(): NativeModel
  /** Becomes the other, which has the same layers. */
  assume(other: NativeModel): void
  /** Over the parameters. */
  fingerprint(): Promise<string>
  dispose(): void
}

export interface NativeEnsemble {
  /** JSON of `{ inputNames, labelNames, bytes }`. */
  describe(): string
  predict(json: string, buffers: Buffers, lane?: Lane): Promise<NativePrediction>
  evaluate(dataset: NativeDataset): Promise<string>
  logits(dataset: NativeDataset): Promise<Float32Array>
}

export interface NativeJob {
  next(): Promise<string | null>
  /** Refuses what cannot work, without beginning. */
  check(): Promise<void>
  /** JSON of `{ inputNames?, labelNames?, bytes? }`, before the run begins. */
  describeStream(json: string): void
  /** Whether there is room for the next batch. */
  push(epoch: number, json: string, buffers: Buffers): boolean
  /** True once there is room; false once nobody waits for a report. */
  room(): Promise<boolean>
  end(): void
  fail(message: string): void
  /** What is awaited is answered after the step that the run is in. */
  hurry(): void
  cancel(): void
  stop(): Promise<void>
  checkpoint(): Promise<string>
  controlStudent(): NativeModel | null
  dispose(): void
}

export interface Native {
  NativeDataset: {
    create(json: string, buffers: Buffers): NativeDataset
    /** The arrays must be nobody else's. */
    take(json: string, buffers: Buffers): Promise<NativeDataset>
  }
  NativeModel: {
    create(json: string, seed: number): NativeModel
    load(path: string, json?: string): Promise<NativeModel>
  }
  NativeJob: new (
    students: NativeModel[],
    teachers: NativeModel[],
    data: NativeDataset | null,
    validation: NativeDataset | null,
    optionsJson: string,
    teachersJson: string,
    mutualJson?: string,
  ) => NativeJob
  NativeEnsemble: new (models: NativeModel[], weights?: number[]) => NativeEnsemble
  /** JSON of an `Analysis`. */
  analyse(
    data: NativeDataset,
    validation: NativeDataset | null,
    teacher: NativeModel | null,
    student: NativeModel | null,
    control: NativeModel | null,
    diagnosticsJson: string | null,
  ): Promise<string>
  nativeVersion(): string
  doctor(): string
  schema(): string
  golden(json: string, kind: string): Promise<string>
  /** JSON of `{ name, source, needs }` for every loss. */
  losses(): string
  lossesNeedTeacher(json: string): boolean
  memory(): string
  trimMemory(): void
}

/** Every name of `Native`: what a binary that was built from other sources may lack. */
export const exported = Object.keys({
  NativeDataset: true,
  NativeModel: true,
  NativeJob: true,
  NativeEnsemble: true,
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
