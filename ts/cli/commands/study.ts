/** `limbeck study methods`: compares all methods, with confidence intervals. */
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { Command } from 'commander'
import { show } from '../../read.js'
import { refuse } from '../exit.js'
import type { Output, OutputFlags } from '../output.js'
import { perform, withOutput, wholeOption } from '../perform.js'
import { arms, armsNamed, studyMethods } from '../study/methods.js'
import { taskNames, type TaskName } from '../study/tasks.js'

interface Flags extends OutputFlags {
  arm?: string[]
  task?: string[]
  seeds: number
  out: string
  jobs: number
  dry?: boolean
  page?: boolean
}

const collect = (value: string, all: string[] = []) => [...all, value]

export function addStudy(program: Command): void {
  const study = program.command('study').summary('compare methods on real data').addHelpText('after', '\nExample:\n  $ limbeck study methods --help')
  const methods = study.command('methods').summary('compare all methods with the same student and budget')
  withOutput(methods.description('Trains the same student with every method, over several seeds, on two tasks, and writes a page with the results. A study that was stopped continues where it was.'))
    .option('--arm <name>', 'run only this arm; may be repeated. Default: all', collect)
    .option('--task <name>', `${taskNames.join(' or ')}; may be repeated. Default: both`, collect)
    .addOption(wholeOption('--seeds <number>', 'runs of each arm, with seeds 1, 2, …', 1).default(5))
    .option('-o, --out <folder>', 'the folder of the page, the record and the teachers', 'docs/studies')
    .addOption(wholeOption('--jobs <number>', 'concurrent runs, with one thread each', 1).default(availableParallelism()))
    .option('--dry', 'print how long it will take, and do nothing')
    .option('--page', 'write the page from the record, and run nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck study methods --dry
  $ limbeck study methods --arm alone --arm kd-t4 --seeds 1 --task digits --out study

Arms: ${arms.map(({ name }) => name).join(', ')}`,
    )
    .action(perform(run))
}

async function run({ arm, task, seeds, out, jobs, dry = false, page = false }: Flags, output: Output): Promise<void> {
  const chosen = armsNamed(arm)
  if ('unknown' in chosen) refuse('--arm', `expected one of ${arms.map(({ name }) => name).join(', ')}, got ${show(chosen.unknown)}`)
  const unknown = task?.find(name => !taskNames.includes(name as TaskName))
  if (unknown !== undefined) refuse('--task', `expected ${taskNames.join(' or ')}, got ${show(unknown)}`)
  await studyMethods(
    {
      tasks: taskNames.filter(name => task === undefined || task.includes(name)),
      arms: chosen,
      seeds: Array.from({ length: seeds }, (_, index) => index + 1),
      folder: path.resolve(out),
      jobs,
      dry,
      page,
    },
    output,
  )
}
