/** The part of the JSON schema of the options that the reference pages use. */
export interface Schema {
  description?: string
  default?: unknown
  $ref?: string
  anyOf?: Schema[]
  oneOf?: Schema[]
  required?: string[]
  properties?: Record<string, Schema>
  $defs?: Record<string, Schema>
}

/** The schema that a reference refers to. */
export function resolve(root: Schema, schema: Schema | undefined): Schema | undefined {
  const there = schema?.$ref ?? schema?.anyOf?.find(({ $ref }) => $ref !== undefined)?.$ref
  return there === undefined ? schema : root.$defs?.[there.replace('#/$defs/', '')]
}

/** The first paragraph of a description, on one line. */
export function sentence(schema: Schema | undefined): string {
  return (schema?.description ?? '').split('\n\n')[0]!.replace(/\s*\n\s*/g, ' ')
}
