/** `limbeck doctor`: checks that limbeck works on this machine, and shows its environment. */
import type { Command } from 'commander'
import { Dataset, doctor, Model, train } from '../../index.js'
import { loadedFile } from '../../native/binary.js'
import { native } from '../../native/load.js'
import { exitCodes, failureOf } from '../exit.js'
import { limits } from '../limits.js'
import { brief, table, type Output } from '../output.js'
import { perform, withOutput } from '../perform.js'

export function addDoctor(program: Command): void {
  const command = program.command('doctor').summary('check that limbeck works on this machine')
  withOutput(command.description('Shows version, instruction set, threads and limits, and trains for a second as a check.'))
    .addHelpText('after', '\nExample:\n  $ limbeck doctor --json > report.json')
    .action(perform(examine))
}

async function examine(_flags: object, output: Output): Promise<number> {
  const { platform, arch, versions } = process
  const found: Record<string, unknown> = { node: versions.node, platform: `${platform}-${arch}`, ...limits() }
  let code: number = exitCodes.ok
  try {
    const { version, instructions, detected, available, threads, cores, backends } = doctor()
    Object.assign(found, { limbeck: version, binary: loadedFile(native()), instructions, detected, instructionSets: available, threads, cores, backends })
    if (detected === 'scalar' && arch === 'x64') found.note = 'this processor has no AVX2: limbeck uses plain loops, which are several times slower'
    found.training = await trainBriefly()
  } catch (error) {
    found.error = failureOf(error)
    code = exitCodes.failed
  }
  output.data({ doctor: found })
  if (output.json) return code
  const { green, red, bold } = output.out
  const rows = Object.entries(found).filter(([name]) => name !== 'error' && name !== 'training')
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, value] of rows) output.answer(`${name.padEnd(width)}  ${shown(value)}`)
  if (code === exitCodes.ok) {
    const { steps, seconds, rowsPerSecond, first, last } = found.training as Training
    const numbers = `${brief(steps)} steps in ${seconds.toFixed(2)} s, ${brief(rowsPerSecond)} rows/s, loss ${brief(first)} to ${brief(last)}`
    output.answer(`${'training'.padEnd(width)}  ${numbers}`)
    output.answer(green(bold('limbeck works here')))
  } else {
    output.answer(red(`limbeck does not work here: ${(found.error as { message: string }).message}`))
  }
  return code
}

function shown(value: unknown): string {
  if (typeof value === 'number') return brief(value)
  return Array.isArray(value) ? value.join(', ') : String(value)
}

interface Training {
  steps: number
  seconds: number
  rowsPerSecond: number
  first: number
  last: number
}

/** Trains for a second on clusters that are easy to separate: the loss must fall. */
async function trainBriefly(): Promise<Training> {
  const [rows, width, classes] = [512, 16, 4]
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % classes)
  const inputs = Float32Array.from({ length: rows * width }, (_, index) => {
    const row = Math.floor(index / width)
    return Math.sin(index * 12.9898) + (index % classes === labels[row] ? 1 : 0)
  })
  const student = Model.create({ mlp: { sizes: [width, 64, classes] } }, { seed: 1 })
  const data = Dataset.from({ inputs, labels }, { inputs: [width], classes })
  const run = train({ student, data, losses: { crossEntropy: {} }, batchSize: 64, steps: 1_000_000, reportEvery: 20, seed: 1 })
  const begun = performance.now()
  let steps = 0
  let first: number | undefined
  let last = Number.NaN
  for await (const report of run) {
    steps = report.step
    first ??= report.loss
    last = report.loss
    // A slow machine may need longer for two reports.
    if (steps > 20 && performance.now() - begun > 1000) break
  }
  const seconds = (performance.now() - begun) / 1000
  student.dispose()
  data.dispose()
  if (first === undefined || !(last < first)) throw new Error(`the loss did not fall: it went from ${first} to ${last}`)
  return { steps, seconds, rowsPerSecond: Math.round((64 * steps) / seconds), first, last }
}
