/** Iterates a run to its end or to Ctrl-C, and shows its reports. */
import type { AnyReport } from '../report.js'
import { exitCodes } from './exit.js'
import { interruptible, resumeLine } from './interrupt.js'
import { brief, type Output } from './output.js'
import { Progress } from './progress.js'

/** A run, or a regime of several. */
export interface Work<Report extends AnyReport> {
  /** The source of the reports. */
  run: {
    next(): Promise<IteratorResult<Report, void>>
    return(): Promise<unknown>
    checkpoint(): Promise<string>
  }
  /** The title of a report. */
  title(report: Report): string
  /** Whether it is the last one. */
  isLast(report: Report): boolean
  /** The part of a report that `--json` prints. */
  plain(report: Report): unknown
  /** Whether there is a folder for checkpoints. */
  folder: boolean
  /** Saves the trained models and prints the results. */
  end(last: Report | undefined): Promise<void>
}

/** Returns the exit code. */
export async function follow<Report extends AnyReport>(work: Work<Report>, output: Output, title: string): Promise<number> {
  const { run } = work
  const progress = new Progress(output, title)
  const interrupt = interruptible(() => output.note('stopping after this step; press Ctrl-C again to end at once'))
  let last: Report | undefined
  try {
    for (;;) {
      const { done, value: report } = await run.next()
      if (done === true) break
      last = report
      progress.retitle(work.title(report))
      progress.report(report)
      output.data({ report: work.plain(report) })
      if (!work.isLast(report) && interrupt.asked) return await stopped(work, report, output, progress)
    }
    progress.end()
    // A run that ended just before Ctrl-C is saved too.
    await work.end(last)
    return exitCodes.ok
  } finally {
    progress.end()
    interrupt.release()
  }
}

/** Stops the run after the current step, with a checkpoint if there is a folder for it. */
async function stopped<R extends AnyReport>({ run, folder }: Work<R>, { step }: R, output: Output, progress: Progress): Promise<number> {
  const checkpoint = folder ? await run.checkpoint() : undefined
  await run.return()
  progress.end()
  if (checkpoint === undefined) {
    output.data({ interrupted: { step } })
    output.last(`stopped after step ${brief(step)}; nothing was saved: --checkpoint DIR makes a run that can be resumed`)
  } else {
    const resume = resumeLine()
    output.data({ interrupted: { step, checkpoint, resume } })
    output.last(`stopped after step ${brief(step)}, saved ${checkpoint}; resume it with:\n  ${resume}`)
  }
  return exitCodes.interrupted
}
