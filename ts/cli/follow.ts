/** Follows what is trained to its end, or to Ctrl-C: reports are shown as they come. */
import type { AnyReport } from '../report.js'
import { exitCodes } from './exit.js'
import { interruptible, resumeLine } from './interrupt.js'
import { brief, type Output } from './output.js'
import { Progress } from './progress.js'

/** A run, or a regime of several. */
export interface Work<Report extends AnyReport> {
  /** Pulls the reports. */
  run: {
    next(): Promise<IteratorResult<Report, void>>
    return(): Promise<unknown>
    checkpoint(): Promise<string>
  }
  /** What a report is of. */
  title(report: Report): string
  /** Whether it is the last one. */
  isLast(report: Report): boolean
  /** What `--json` prints of a report. */
  plain(report: Report): unknown
  /** Whether there is a folder for checkpoints. */
  folder: boolean
  /** Saves what was learnt, and says what it was. */
  end(last: Report | undefined): Promise<void>
}

/** Gives the exit code. */
export async function follow<Report extends AnyReport>(work: Work<Report>, output: Output, title: string): Promise<number> {
  const { run } = work
  const progress = new Progress(output, title)
  const interrupt = interruptible(() => output.note('stopping after this step; Ctrl-C again ends at once'))
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
    // Who interrupts a run that has just ended does not lose it.
    await work.end(last)
    return exitCodes.ok
  } finally {
    progress.end()
    interrupt.release()
  }
}

/** Leaves the run after a whole step, with a checkpoint where there is a folder for it. */
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
    output.last(`stopped after step ${brief(step)}, saved ${checkpoint}; go on with:\n  ${resume}`)
  }
  return exitCodes.interrupted
}
