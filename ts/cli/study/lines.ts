/** The record of a study: one JSON object a line, added as each run ends. What is there is not run again. */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { TaskName } from './tasks.js'

export interface Line {
  task: TaskName
  arm: string
  /** `trial`: to choose a setting on the held-back part; `run`: judged on the test part. */
  phase: 'trial' | 'run'
  /** Which of the arm's settings, counted from 0. */
  setting: number
  /** What it is: changed settings are other runs. */
  options: unknown
  seed: number
  /** Percent, after the last epoch. */
  accuracy: number
  /** Percent, in the best epoch on the same rows. */
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
      // A line that a stop cut short is no record: its run is done again.
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
