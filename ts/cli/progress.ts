/** Shows the progress of a run on stderr: a bar on a terminal, plain lines elsewhere, and all findings. */
import { createLogUpdate } from 'log-update'
import type { AnyReport } from '../report.js'
import { brief, percent, type Output } from './output.js'

const WIDTH = 24
/** The shortest pause between plain lines, in milliseconds; validations are always shown. */
const PAUSE = 2000

export class Progress {
  readonly #bar: ReturnType<typeof createLogUpdate> | undefined
  readonly #warned = new Set<string>()
  #said = -Infinity
  #started: { at: number; step: number } | undefined

  constructor(
    private readonly output: Output,
    private title: string,
  ) {
    if (!output.moving) return
    // The cursor stays visible: to hide it, the library would install signal handlers in place of ours.
    const bar = createLogUpdate(output.stderr as NodeJS.WriteStream, { showCursor: true })
    this.#bar = bar
    output.beforeNote = () => bar.clear()
  }

  report(report: AnyReport): void {
    this.#findings(report)
    const now = performance.now()
    this.#started ??= { at: now, step: report.step }
    const { validation } = report
    if (this.#bar !== undefined) {
      if (validation !== undefined) this.output.note(this.#line(report))
      this.#bar(this.#moving(report, now))
    } else if (validation !== undefined || report.summary !== undefined || now - this.#said >= PAUSE) {
      this.#said = now
      this.output.note(this.#line(report))
    }
  }

  /** Changes the title of the following reports. */
  retitle(title: string): void {
    if (title !== this.title) this.#started = undefined
    this.title = title
  }

  end(): void {
    this.#bar?.clear()
    this.output.beforeNote = () => {}
  }

  /** Warns of each finding once. */
  #findings({ findings }: AnyReport): void {
    for (const { proof, path, message } of findings) {
      const key = `${proof} ${path}`
      if (this.#warned.has(key)) continue
      this.#warned.add(key)
      this.output.warning(path, message, proof)
    }
  }

  #line(report: AnyReport): string {
    const { dim } = this.output.err
    const { step, steps, epoch, loss, terms, learningRate, rowsPerSecond, validation } = report
    const parts = [`${this.title}: step ${brief(step)}${steps === undefined ? '' : ` of ${brief(steps)}`}`, ...epochOf(epoch)]
    parts.push(`loss ${brief(loss)}`)
    const names = Object.entries(terms ?? {})
    if (names.length > 1) parts.push(...names.map(([name, value]) => `${name} ${brief(value)}`))
    parts.push(`rate ${brief(learningRate)}`, `${brief(Math.round(rowsPerSecond))} rows/s`)
    if (validation?.accuracy !== undefined) parts.push(`validation ${percent(validation.accuracy)}`)
    else if (validation?.loss !== undefined) parts.push(`validation loss ${brief(validation.loss)}`)
    if (validation?.agreement !== undefined) parts.push(`agreement ${percent(validation.agreement)}`)
    return parts.join(dim(' · '))
  }

  #moving({ step, steps, epoch, loss, rowsPerSecond }: AnyReport, now: number): string {
    const { cyan, dim } = this.output.err
    const numbers = [...epochOf(epoch), `loss ${brief(loss)}`, `${brief(Math.round(rowsPerSecond))} rows/s`]
    if (steps === undefined) return `${this.title}  step ${brief(step)}  ${numbers.join(dim(' · '))}`
    const full = Math.round((WIDTH * step) / Math.max(1, steps))
    const bar = cyan('█'.repeat(full)) + dim('░'.repeat(WIDTH - full))
    const done = step - this.#started!.step
    if (done > 0) numbers.push(`${clock(((now - this.#started!.at) / done) * (steps - step))} left`)
    return `${this.title} ${bar} ${Math.floor((100 * step) / Math.max(1, steps))} %  ${numbers.join(dim(' · '))}`
  }
}

/** Counted from 1; nothing for a stream. */
const epochOf = (epoch: number | undefined) => (epoch === undefined ? [] : [`epoch ${epoch + 1}`])

/** Milliseconds as `3 s` or `12 min`. */
function clock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
