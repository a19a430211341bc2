/** The options of a run, read and checked once before it begins. */
import { json, list, plain, refuse, show, signalOf, text, whole, words, type Plain } from '../read.js'
import { datasetOf, type Dataset } from '../dataset.js'
import { LimbeckError } from '../errors.js'
import { describe, modelOf } from '../model/handle.js'
import type { Model } from '../model/model.js'
import type { NativeDataset, NativeModel } from '../native/contract.js'
import type { CheckpointOptions, TrainOptions } from '../native/options.js'
import { trainOptionKeys } from '../native/options.js'
import { meaningFor } from '../prediction.js'
import { BatchStream, isSource, type BatchSource } from '../stream.js'
import { noTeaching, teachingOf, type Teaching } from '../teachers.js'
import { peerPath, peersOf } from './peers.js'

/** The options of `train` and `distill`: training options, models, data, validation, checkpoints, a signal. */
export interface RunOptions extends Omit<TrainOptions, 'checkpoint'> {
  /** The model to train. It gets its new parameters at the end of the run; until then, and after an abort, it keeps the old ones. */
  student: Model
  /**
   * Training rows: a data set, `Dataset.stream(…)`, an iterable of batches, or a function that returns one. Batches of a
   * stream are used as they are, so `batchSize`, `shuffle` and `dropLast` are rejected for streams.
   */
  data: Dataset | BatchStream | BatchSource
  /** Validation rows: the student is evaluated on them but not trained. */
  validation?: Dataset | undefined
  /** Writes the whole state of the run to a folder, so that it can be resumed to the same bits. */
  checkpoint?: Omit<CheckpointOptions, 'folder'> & {
    /** The run folder; created if it does not exist. Not needed together with `resume`. */
    folder?: string
  }
  /** Short for `checkpoint: { folder, resume: true }`: continues from the newest checkpoint of a run folder, or starts a run there. */
  resume?: string
  /** When it aborts, the run ends and rejects with the signal's reason, and the student stays as it was. */
  signal?: AbortSignal | undefined
}

/**
 * Options that several runs can share, without models and data: `const recipe = { epochs: 5, optimizer } satisfies Recipe`, then
 * `train({ ...recipe, student, data, losses })`.
 */
export type Recipe = Partial<Omit<RunOptions, 'student' | 'data' | 'validation' | 'signal'>>

export type Method = 'train' | 'distill' | 'distillMutually'

export interface Setup {
  /** One student, or several that teach each other. */
  students: NativeModel[]
  /** JSON: the options of all learners but the first. */
  mutual: string | undefined
  /** Translates paths of the native side into the caller's paths. */
  place: (path: string) => string
  teaching: Teaching
  data: NativeDataset | BatchStream
  validation: NativeDataset | null
  options: string
  epochs: number
  signal: AbortSignal | undefined
}

const ours = ['data', 'validation', 'resume', 'signal']
const keysOf: Record<Method, readonly string[]> = {
  train: ['student', ...ours],
  distill: ['teacher', 'student', ...ours],
  distillMutually: ['teacher', 'teacherWeight', 'updates', 'students', 'learners', ...ours],
}

/** Reads and checks the options of a run. */
export function setup(method: Method, options: unknown): Setup {
  const known = keysOf[method]
  const own = plain('', options, [...known, ...trainOptionKeys, ...(method === 'train' ? ['teacher'] : [])])
  if (method === 'train' && 'teacher' in own) {
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'teacher', `expected no teacher for train, got ${show(own.teacher)}; distill takes a teacher`)
  }
  const students =
    method === 'distillMutually'
      ? list('students', own.students).map((student, at) => modelOf(`students[${at}]`, student))
      : [modelOf('student', own.student)]
  if (own.losses === undefined) refuse('losses', 'at least one loss, such as { crossEntropy: {} }', undefined)
  const rest: Plain = Object.create(null) as Plain
  for (const [key, value] of Object.entries(own)) if (!known.includes(key)) rest[key] = value
  if (own.resume !== undefined) {
    const folder = text('resume', own.resume)
    const checkpoint = rest.checkpoint === undefined ? {} : plain('checkpoint', rest.checkpoint)
    if (checkpoint.folder !== undefined && checkpoint.folder !== folder) {
      refuse('resume', 'the same folder as checkpoint.folder, or no checkpoint.folder', folder)
    }
    rest.checkpoint = { ...checkpoint, folder, resume: true }
  }
  const shared = Object.keys(rest)
  const mutual = method === 'distillMutually' ? peersOf(own, rest, students) : undefined
  const taught = method === 'distill' || own.teacher !== undefined
  const teaching = taught ? teachingOf(own.teacher) : noTeaching
  if (teaching.asked !== undefined && rest.augment !== undefined) {
    const message =
      'expected no augmentation with a teacher that is a function, because its logits belong to the original inputs'
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'augment', message)
  }
  const stream = streamOf(own.data, students[0]!)
  if (stream !== undefined && teaching.asked !== undefined) {
    refuse('teacher', 'a model, or batches with teacherLogits, for a stream', words('a function'))
  }
  if (stream !== undefined) {
    for (const key of ['batchSize', 'shuffle', 'dropLast']) {
      if (rest[key] !== undefined) refuse(key, 'nothing for a stream, whose batches are used as they are', rest[key])
    }
  }
  const epochs = stream === undefined ? 1 : streamEpochs(rest, stream)
  return {
    students,
    mutual: mutual?.json,
    place: mutual === undefined ? path => path : peerPath(mutual.own, shared),
    teaching,
    data: stream ?? datasetOf('data', own.data),
    validation: own.validation === undefined ? null : datasetOf('validation', own.validation),
    options: json('', rest),
    epochs,
    signal: signalOf('signal', own.signal),
  }
}

/** The stream of batches in `data`, if there is one. The student defines how columns are read if the stream does not. */
function streamOf(data: unknown, student: NativeModel): BatchStream | undefined {
  if (!(data instanceof BatchStream) && !isSource(data)) return undefined
  const known = meaningFor(describe(student))
  if (!(data instanceof BatchStream)) return new BatchStream(data, known)
  return new BatchStream(data.source, { ...data.meaning, bytes: known.bytes, open: false })
}

/** JSON: names and byte reading of the batches of a stream. */
export function signatureOf({ meaning: { inputNames, labelNames, scale, offset } }: BatchStream): string {
  const bytes = scale === undefined && offset === undefined ? undefined : { scale: scale ?? 1 / 255, offset: offset ?? 0 }
  return JSON.stringify({ inputNames, labelNames, bytes })
}

/** How often a stream is read. The native side sees a single stream, so the option `epochs` is removed here. */
function streamEpochs(rest: Plain, { source }: BatchStream): number {
  const { epochs, steps } = rest
  if (epochs === undefined) return steps !== undefined && typeof source === 'function' ? Infinity : 1
  const count = whole('epochs', epochs, 1)
  if (count > 1 && typeof source !== 'function') {
    refuse('epochs', '1 for an iterable, which can be read only once; pass a function that returns one', epochs)
  }
  delete rest.epochs
  return count
}
