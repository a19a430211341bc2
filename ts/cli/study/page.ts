/** The page of a study, made from its lines alone. */
import { alone, arms, baseline, type Arm } from './arms.js'
import type { Line } from './lines.js'
import { paired, summary } from './statistics.js'
import { taskNames, type TaskName } from './tasks.js'

export interface TeacherLine {
  accuracy: number
  gamma: number
  confidence: number
  reweighting: number
  error: number
}

/** What is known of a task beside its runs. */
export interface TaskFacts {
  source: string
  teachers: Partial<Record<string, TeacherLine>>
}

const two = (value: number) => value.toFixed(2)
const signed = (value: number) => `${value < 0 ? '−' : '+'}${two(Math.abs(value))}`

/** The runs of an arm with the setting that its latest run has. */
function runsOf(lines: readonly Line[], task: TaskName, arm: string): Line[] {
  const own = lines.filter(line => line.task === task && line.arm === arm && line.phase === 'run')
  const options = JSON.stringify(own.at(-1)?.options)
  return own.filter(line => JSON.stringify(line.options) === options).sort((a, b) => a.seed - b.seed)
}

const bySeed = (lines: readonly Line[]) => new Map(lines.map(({ seed, accuracy }) => [seed, accuracy]))

function row(arm: Arm, task: TaskName, lines: readonly Line[]): string | undefined {
  const own = runsOf(lines, task, arm.name)
  if (own.length === 0) return undefined
  const [last, best] = [summary(own.map(({ accuracy }) => accuracy)), summary(own.map(({ best }) => best))]
  const against = arm.name === baseline ? undefined : paired(bySeed(own), bySeed(runsOf(lines, task, baseline)))
  const difference =
    against === undefined ? '' : `${signed(against.mean)} ± ${Number.isFinite(against.half) ? two(against.half) : '∞'}${Math.abs(against.mean) > against.half ? ' *' : ''}`
  const trials = new Set(lines.filter(line => line.task === task && line.arm === arm.name && line.phase === 'trial').map(({ options }) => JSON.stringify(options))).size
  return `| \`${arm.name}\` | ${arm.paper} | ${last.count} | ${two(last.mean)} ± ${two(last.deviation)} | ${difference} | ${two(best.mean)} | ${trials} | \`${JSON.stringify(own[0]!.options).slice(0, 160)}\` |`
}

/** A task says nothing where its teacher is hardly better than the student alone. */
function verdict(task: TaskName, lines: readonly Line[], facts: TaskFacts | undefined): string {
  const own = runsOf(lines, task, alone)
  const teacher = facts?.teachers.teacher?.accuracy
  if (own.length === 0 || teacher === undefined) return ''
  const { mean } = summary(own.map(({ accuracy }) => accuracy))
  const words = `The teacher has ${two(teacher)} %, the student alone ${two(mean)} %`
  return teacher - mean < 1 ? `${words}: less than a point between them, so **this task is void**.\n` : `${words}: there is room of ${two(teacher - mean)} points.\n`
}

function teachersOf(facts: TaskFacts | undefined): string {
  const all = Object.entries(facts?.teachers ?? {}).filter((entry): entry is [string, TeacherLine] => entry[1] !== undefined)
  if (all.length === 0) return ''
  const rows = all.map(
    ([name, { accuracy, gamma, confidence, reweighting, error }]) =>
      `| ${name} | ${two(accuracy)} | ${confidence.toFixed(3)} | ${gamma.toFixed(3)} | ${reweighting.toFixed(3)} | ${error.toFixed(3)} |`,
  )
  const head = ['| teacher | accuracy % | mean p_t | γ | median w_t | ECE |', '| --- | --- | --- | --- | --- | --- |']
  return `${[...head, ...rows].join('\n')}\n\nmean p_t, γ and w_t at temperature 4 on the test part, w_t against a student of plain kd; ECE as it is.\n`
}

const titles: Record<TaskName, string> = {
  digits: 'digits: ten classes, student conv 4-8, 20 epochs',
  pairs: 'pairs: two digits side by side, 100 classes, student conv 2-4-8, 12 epochs',
}

export function page(lines: readonly Line[], facts: Partial<Record<TaskName, TaskFacts>>, machine: string): string {
  const claims = arms.filter(({ claim }) => claim !== '').map(({ name, paper, claim }) => `| \`${name}\` | ${paper} | ${claim} |`)
  const tasks = taskNames.flatMap(task => {
    const rows = arms.map(arm => row(arm, task, lines)).filter(line => line !== undefined)
    if (rows.length === 0) return []
    return [
      `## ${titles[task]}\n`,
      verdict(task, lines, facts[task]),
      `Rows: ${facts[task]?.source ?? ''}. \`limbeck study methods --task ${task}\`\n`,
      '| arm | paper | seeds | accuracy % | against plain kd | best epoch % | trials | setting |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      ...rows,
      '',
      teachersOf(facts[task]),
    ]
  })
  return `# Methods: what helps here

Made by \`limbeck study methods\` from \`methods.jsonl\` beside this page; not written by hand.

Every arm has the same student, rows, steps, optimizer and seeds; arms differ in loss, teacher or regime alone. A method's
setting was chosen from at most four on a held-back part of the training rows, at one seed that no run has. *accuracy*: on
the test part after the last epoch, mean ± standard deviation over the seeds. *against plain kd*: mean of the paired
differences to \`${baseline}\` (0.1 cross entropy + 0.9 KL at temperature 4) with its 95 % interval (t); a star where it does not
hold 0. With so many arms one in twenty has a star by chance. *best epoch*: the best epoch on the test part itself, as many
papers report; it flatters every arm alike. ${machine}

${tasks.join('\n')}
## What the papers claim

| arm | paper | claim |
| --- | --- | --- |
${claims.join('\n')}
`
}
