/** The record of a study: one JSON object per line, appended when a run ends. Runs on record are not repeated. */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { TaskName } from './tasks.js'

export interface Line {
  task: TaskName
  arm: string
  /** `trial`: evaluated on the held-back part, to choose a setting; `run`: evaluated on the test part. */
  phase: 'trial' | 'run'
  /** The index of the setting in the arm's settings. */
  setting: number
  /** The setting itself: a run with changed options is another run. */
  options: unknown
  seed: number
  /** The accuracy after the last epoch, in percent. */
  accuracy: number
  /** The accuracy in the best epoch on the same rows, in percent. */
  best: number
  /** Counted from 1. */
  bestEpoch: number
  seconds: number
  findings: number
}

export class Lines {
  private constructor(
    readonly file: string,
    readonly all: Line[],
  ) {}

  static async of(folder: string): Promise<Lines> {
    const file = path.join(folder, 'methods.jsonl')
    const text = await readFile(file, 'utf8').catch(() => '')
    const all: Line[] = []
    for (const line of text.split('\n')) {
      // A line that was truncated by a stop is ignored, and its run is repeated.
      try {
        all.push(JSON.parse(line) as Line)
      } catch {
        continue
      }
    }
    if (text !== '' && !text.endsWith('\n')) await appendFile(file, '\n')
    return new Lines(file, all)
  }

  find(wanted: Pick<Line, 'task' | 'arm' | 'phase' | 'options' | 'seed'>): Line | undefined {
    const options = JSON.stringify(wanted.options)
    return this.all.find(
      line =>
        line.task === wanted.task &&
        line.arm === wanted.arm &&
        line.phase === wanted.phase &&
        line.seed === wanted.seed &&
        JSON.stringify(line.options) === options,
    )
  }

  async add(line: Line): Promise<void> {
    await mkdir(path.dirname(this.file), { recursive: true })
    await appendFile(this.file, `${JSON.stringify(line)}\n`)
    this.all.push(line)
  }
}
