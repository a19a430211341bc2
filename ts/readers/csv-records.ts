/** Splits CSV text (RFC 4180) into records of fields. */
import { LimbeckError } from '../errors.js'

const QUOTE = 34
const FEED = 10
const RETURN = 13

/** The reader's position in a field. */
const enum At {
  Start,
  Plain,
  Quoted,
  /** After a quote inside a quoted field: its end, or the first of two. */
  Quote,
  /** After a carriage return: a line feed must follow. */
  Return,
}

/** Splits text into records of fields. The text comes in pieces, which may end anywhere. */
export class Records {
  private at = At.Start
  private fields: string[] = []
  /** The part of this field that earlier pieces contained. */
  private part = ''
  private line = 1
  /** The lines where this record and the current quoted field began. */
  private first = 1
  private opened = 1

  constructor(
    private readonly name: string,
    private readonly delimiter: string,
    private readonly emit: (fields: string[], line: number) => void,
    /** Whether quotes enclose a field; otherwise they are ordinary characters. */
    private readonly quotes = true,
  ) {}

  push(text: string): void {
    const delimiter = this.delimiter.charCodeAt(0)
    let from = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (this.at === At.Quoted) {
        if (code === QUOTE) {
          this.part += text.slice(from, i)
          this.at = At.Quote
        } else if (code === FEED) this.line++
        continue
      }
      if (this.at === At.Return) {
        if (code !== FEED) this.fail('expected a line feed after a carriage return, got another character')
        from = i + 1
        this.endOfLine()
        continue
      }
      if (this.at === At.Quote && code === QUOTE) {
        // Two quotes stand for one: the second is the first character of the next part.
        from = i
        this.at = At.Quoted
        continue
      }
      if (code === delimiter || code === FEED || code === RETURN) {
        if (this.at === At.Plain) this.part += text.slice(from, i)
        const empty = this.at === At.Start && this.fields.length === 0 && code !== delimiter
        if (!empty) this.fields.push(this.part)
        this.part = ''
        this.at = At.Start
        if (code === FEED) this.endOfLine()
        if (code === RETURN) this.at = At.Return
      } else if (this.at === At.Quote) {
        this.fail(`expected ${JSON.stringify(this.delimiter)} or the end of the line after a closing quote, got ${JSON.stringify(text[i])}`)
      } else if (code === QUOTE && this.quotes) {
        if (this.at === At.Plain) this.fail('expected quotes around the whole field, got one inside (quote: false reads them as characters)')
        this.at = At.Quoted
        this.opened = this.line
        from = i + 1
      } else if (this.at === At.Start) {
        this.at = At.Plain
        from = i
      }
    }
    if (this.at === At.Plain || this.at === At.Quoted) this.part += text.slice(from)
  }

  end(): void {
    if (this.at === At.Quoted) {
      this.line = this.opened
      this.fail('expected a closing quote, got the end of the file (quote: false reads quotes as characters)')
    }
    if (this.at !== At.Start || this.fields.length > 0) this.fields.push(this.part)
    if (this.at === At.Return) this.fields.pop()
    this.endOfLine()
  }

  private endOfLine(): void {
    const fields = this.fields
    const line = this.first
    this.fields = []
    this.part = ''
    this.at = At.Start
    this.line++
    this.first = this.line
    if (fields.length > 0) this.emit(fields, line)
  }

  private fail(message: string): never {
    const line = this.line
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${this.name}, line ${line}`, message, { line })
  }
}
