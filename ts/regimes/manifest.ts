/**
 * The run folder of a regime: the finished stages (hops, generations, phases) and the model of each.
 *
 * ```text
 * runs/chain/regime.json           what the regime was begun with, and one record per finished stage
 * runs/chain/hop-0/                checkpoints of the stage's steps
 * runs/chain/hop-0.safetensors     the model that the stage made
 * ```
 *
 * A stage is done when its record is in `regime.json`. This file is always replaced as a whole: a temporary file is written,
 * synced and renamed, and the folder is synced. The model is durable before that, and its digest is in the record. A process
 * that is killed at any moment therefore leaves either the stage's last checkpoint or its model, never a mix of both.
 */
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { list, plain, text, whole, type Plain } from '../read.js'
import { elsewhere, LimbeckError } from '../errors.js'
import { Model } from '../model/model.js'
import type { CheckpointOptions } from '../native/options.js'

const NAME = 'regime.json'
const FORMAT = 1
/** A manifest has a few kilobytes; a longer file is rejected. */
const LONGEST = 16 << 20

/** The record of a finished stage. */
export interface StageRecord {
  stage: string
  /** SHA-256 of its model file; version 0.1 did not write it. */
  digest?: string
  /** Plain numbers and texts, read by the regime that wrote them. */
  record: unknown
}

interface Content {
  format: number
  regime: string
  begun: unknown
  stages: StageRecord[]
}

export class Manifest {
  private constructor(
    readonly folder: string,
    private readonly content: Content,
  ) {}

  /**
   * Begins a folder, or with `resume` continues an existing one. `begun` is everything that determines the bits of the regime,
   * as plain JSON: a folder that was begun with other values is rejected with the path of the first difference.
   */
  static async open(folder: string, regime: string, begun: unknown, resume: boolean): Promise<Manifest> {
    const place = path.resolve(folder)
    await disk(place, () => mkdir(place, { recursive: true }))
    await disk(place, () => sweep(place))
    const content: Content = { format: FORMAT, regime, begun: JSON.parse(JSON.stringify(begun)) as unknown, stages: [] }
    const found = await read(path.join(place, NAME))
    if (found !== undefined && !resume) {
      const message =
        `expected a folder without a regime, got ${path.join(place, NAME)}; to continue this regime, set ` +
        `resume: ${JSON.stringify(folder)} (--resume on the command line), otherwise choose another folder`
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'checkpoint.folder', message)
    }
    if (found !== undefined) {
      if (found.regime !== regime) mismatch('regime', found.regime, regime)
      differs('', found.begun, content.begun)
      content.stages = found.stages
    }
    const manifest = new Manifest(place, content)
    if (found === undefined) await manifest.#write()
    return manifest
  }

  /** The file that lists the finished stages. */
  get path(): string {
    return path.join(this.folder, NAME)
  }

  /** The record of a stage, if it is finished. `read` checks it and rejects a damaged record with its path. */
  record<T>(stage: string, read: (path: string, record: unknown) => T): T | undefined {
    const at = this.content.stages.findIndex(done => done.stage === stage)
    return at < 0 ? undefined : trusted(this.path, () => read(`stages[${at}].record`, this.content.stages[at]!.record))
  }

  /** The checkpoint options of a stage: a stage that was begun is resumed. */
  checkpoint(stage: string, options: Partial<CheckpointOptions> = {}): CheckpointOptions {
    return { ...options, folder: path.join(this.folder, stage), resume: true }
  }

  /** The file of the model that a stage made. */
  file(stage: string): string {
    return path.join(this.folder, `${stage}.safetensors`)
  }

  /** The model that a finished stage made; rejected if its file has changed since. */
  async model(stage: string): Promise<Model> {
    const file = this.file(stage)
    const { digest } = this.content.stages.find(done => done.stage === stage)!
    const found = digest === undefined ? undefined : await digestOf(file)
    if (found !== digest) {
      const message = `expected the file that was written when the stage ended (SHA-256 ${digest}), got another (${found}): restore it, or start again in another folder`
      throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', file, message)
    }
    return Model.load(file)
  }

  /** Records that a stage is done: its model first, then its record. */
  async finish(stage: string, model: Model, record: unknown): Promise<void> {
    await model.save(this.file(stage))
    const digest = await digestOf(this.file(stage))
    this.content.stages = [...this.content.stages.filter(done => done.stage !== stage), { stage, digest, record }]
    await this.#write()
  }

  async #write(): Promise<void> {
    const file = this.path
    const sibling = `${file}.${randomUUID()}.tmp`
    await disk(file, async () => {
      try {
        const handle = await open(sibling, 'wx', 0o600)
        try {
          await handle.writeFile(`${JSON.stringify({ ...this.content, digest: ownDigest(this.content) }, null, 2)}\n`)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(sibling, file)
      } catch (error) {
        await rm(sibling, { force: true })
        throw error
      }
      // Windows cannot sync a folder.
      if (process.platform === 'win32') return
      const folder = await open(this.folder, 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    })
  }
}

/** Removes temporary files of a killed process. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${NAME}.`) && name.endsWith('.tmp')) await rm(path.join(folder, name), { force: true })
  }
}

async function disk<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const message = `expected a run folder that can be written, got: ${(cause as Error).message}`
    throw new LimbeckError('ERR_LIMBECK_CHECKPOINT_WRITE', place, message, { cause })
  }
}

/** The digest of the whole content, as it is in the file. */
function ownDigest({ format, regime, begun, stages }: Content): string {
  return createHash('sha256').update(JSON.stringify({ format, regime, begun, stages })).digest('hex')
}

/** Opens a file only if it is a regular file: a pipe would never end. */
async function regular<T>(file: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    if (!(await handle.stat()).isFile()) throw new Error('not a regular file')
    return await work(handle)
  } catch (cause) {
    if (cause instanceof LimbeckError) throw cause
    throw new LimbeckError('ERR_LIMBECK_IO', file, `cannot read the file: ${(cause as Error).message}`, { cause })
  } finally {
    await handle?.close()
  }
}

function digestOf(file: string): Promise<string> {
  return regular(file, async handle => {
    const hash = createHash('sha256')
    for await (const piece of handle.createReadStream({ autoClose: false })) hash.update(piece as Buffer)
    return hash.digest('hex')
  })
}

/** Converts errors of options to errors of this file. */
function trusted<T>(file: string, look: () => T): T {
  try {
    return look()
  } catch (error) {
    if (!(error instanceof LimbeckError) || error.code === 'ERR_LIMBECK_INVALID_FILE') throw error
    throw elsewhere(error, at => (at === '' ? file : `${file}: ${at}`), 'ERR_LIMBECK_INVALID_FILE')
  }
}

/** Reads a manifest, which is untrusted. */
async function read(file: string): Promise<Content | undefined> {
  let found: string
  try {
    found = await regular(file, async handle => {
      const { size } = await handle.stat()
      if (size > LONGEST) throw new Error(`a manifest of ${size} bytes`)
      return handle.readFile('utf8')
    })
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined
    throw error
  }
  const damaged = (got: string, cause?: unknown): never => {
    const message = `expected the manifest of a regime, got ${got}: start in another folder`
    throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', file, message, { cause })
  }
  let json: unknown
  try {
    json = JSON.parse(found)
  } catch (cause) {
    return damaged('text that is not JSON', cause)
  }
  return trusted(file, () => {
    const { format, regime, begun, stages, digest } = plain('', json, ['format', 'regime', 'begun', 'stages', 'digest'])
    if (format !== FORMAT) damaged(`the format ${brief(format)}`)
    const content: Content = { format: whole('format', format, 1), regime: text('regime', regime), begun, stages: list('stages', stages).map(stageOf) }
    if (digest !== undefined && digest !== ownDigest(content)) damaged('one that was changed after it was written')
    return content
  })
}

function stageOf(value: unknown, at: number): StageRecord {
  const own = plain(`stages[${at}]`, value, ['stage', 'digest', 'record'])
  const stage = text(`stages[${at}].stage`, own.stage)
  return { stage, ...(own.digest !== undefined && { digest: text(`stages[${at}].digest`, own.digest) }), record: own.record }
}

/** A short text for a value of a file. */
function brief(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100)
}

function mismatch(at: string, then: unknown, now: unknown): never {
  const message = `expected ${brief(then)}, as at the start of the regime, got ${brief(now)}: resume with the same options, or start again in another folder`
  throw new LimbeckError('ERR_LIMBECK_CHECKPOINT_MISMATCH', at, message)
}

/** Throws for the first difference, with its path. */
function differs(at: string, then: unknown, now: unknown): void {
  const inner = (value: unknown) => typeof value === 'object' && value !== null
  if (!inner(then) || !inner(now)) {
    if (then !== now) mismatch(at, then, now)
    return
  }
  const [before, after] = [then as Record<string, unknown>, now as Record<string, unknown>]
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    differs(at === '' ? key : `${at}.${key}`, before[key], after[key])
  }
}
