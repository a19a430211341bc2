/**
 * The run folder of a regime: which of its stages (hops, generations, phases) are done, and what each of them made.
 *
 * ```text
 * runs/chain/regime.json           what the regime was begun with, and a record a finished stage
 * runs/chain/hop-0/                checkpoints of the stage's steps
 * runs/chain/hop-0.safetensors     the model that the stage made
 * ```
 *
 * A stage is done when its record stands in `regime.json`, which is written anew as a whole: to a sibling, synced,
 * renamed, and the folder synced. The model is durable before that. So whoever is killed at any moment finds either the
 * stage's last checkpoint or its model, and never a mix of both.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { LimbeckError } from '../errors.js'
import { Model } from '../model.js'
import type { CheckpointOptions } from '../native/options.js'

const NAME = 'regime.json'
const FORMAT = 1

/** What is known of a finished stage: its name, and what the regime says of it. */
export interface StageRecord {
  stage: string
  /** Plain numbers and texts, read by the regime that wrote them. */
  record: unknown
}

interface Text {
  format: number
  regime: string
  begun: unknown
  stages: StageRecord[]
}

export class Manifest {
  private constructor(
    readonly folder: string,
    private readonly text: Text,
  ) {}

  /**
   * Begins a folder, or with `resume` takes up the one that is there. `begun` is what decides the bits of the regime, as
   * plain JSON: a folder that was begun with something else is refused by the path of the first difference.
   */
  static async open(folder: string, regime: string, begun: unknown, resume: boolean): Promise<Manifest> {
    const place = path.resolve(folder)
    await disk(place, () => mkdir(place, { recursive: true }))
    await disk(place, () => sweep(place))
    const text: Text = { format: FORMAT, regime, begun: JSON.parse(JSON.stringify(begun)) as unknown, stages: [] }
    const found = await read(path.join(place, NAME))
    if (found !== undefined && !resume) {
      const message = `expected a folder without a regime, or resume, got ${path.join(place, NAME)}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'checkpoint.folder', message)
    }
    if (found !== undefined) {
      if (found.regime !== regime) mismatch('regime', found.regime, regime)
      differs('', found.begun, text.begun)
      text.stages = found.stages
    }
    const manifest = new Manifest(place, text)
    if (found === undefined) await manifest.#write()
    return manifest
  }

  /** The file that says which stages are done. */
  get path(): string {
    return path.join(this.folder, NAME)
  }

  /** What was recorded of a stage, once it is done. */
  record<T>(stage: string): T | undefined {
    return this.text.stages.find(done => done.stage === stage)?.record as T | undefined
  }

  /** The stages that are done, in their order. */
  get done(): readonly StageRecord[] {
    return this.text.stages
  }

  /** Where the steps of a stage are kept: a stage that was begun goes on. */
  checkpoint(stage: string, options: Partial<CheckpointOptions> = {}): CheckpointOptions {
    return { ...options, folder: path.join(this.folder, stage), resume: true }
  }

  /** The file of the model that a stage made. */
  file(stage: string): string {
    return path.join(this.folder, `${stage}.safetensors`)
  }

  /** The model that a finished stage made. */
  async model(stage: string): Promise<Model> {
    return Model.load(this.file(stage))
  }

  /** Records that a stage is done: its model first, then what is said of it. */
  async finish(stage: string, model: Model, record: unknown): Promise<void> {
    await model.save(this.file(stage))
    this.text.stages = [...this.text.stages.filter(done => done.stage !== stage), { stage, record }]
    await this.#write()
  }

  async #write(): Promise<void> {
    const file = this.path
    const sibling = `${file}.${randomUUID()}.tmp`
    await disk(file, async () => {
      try {
        const handle = await open(sibling, 'wx', 0o600)
        try {
          await handle.writeFile(`${JSON.stringify(this.text, null, 2)}\n`)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(sibling, file)
      } catch (error) {
        await rm(sibling, { force: true })
        throw error
      }
      // Windows knows no such thing as a folder that is synced.
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

/** Removes what a killed process left half written. */
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

async function read(file: string): Promise<Text | undefined> {
  let found: string
  try {
    found = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new LimbeckError('ERR_LIMBECK_IO', file, `expected a file that can be read, got: ${(cause as Error).message}`, { cause })
  }
  const damaged = (got: string, cause?: unknown): never => {
    const message = `expected the manifest of a regime, got ${got}: begin in another folder`
    throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', file, message, { cause })
  }
  let text: Text
  try {
    text = JSON.parse(found) as Text
  } catch (cause) {
    return damaged('no JSON', cause)
  }
  if (text?.format !== FORMAT) return damaged(`the format ${JSON.stringify(text?.format) ?? 'of nothing'}`)
  const whole = Array.isArray(text.stages) && text.stages.every(done => typeof done?.stage === 'string')
  return whole ? text : damaged('one without stages')
}

function mismatch(at: string, then: unknown, now: unknown): never {
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing'
  const message = `expected ${show(then)} as when the regime was begun, got ${show(now)}: resume with the same options, or begin in another folder`
  throw new LimbeckError('ERR_LIMBECK_CHECKPOINT_MISMATCH', at, message)
}

/** Refuses the first difference by its path. */
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
