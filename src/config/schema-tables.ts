import * as z from 'zod';
import { CONFIG } from './schema.js';

export interface SchemaKey {
  name: string;
  /** Undefined where a key that is not set means nothing. */
  defaultValue: unknown;
}

/** A table of the schema; of an array of tables, one of its kinds. */
export interface SchemaTable {
  /** "boot", "notify" */
  name: string;
  isArray: boolean;
  /** What `type` has to say for it to be this kind. */
  type: string | undefined;
  /** In the schema's order. */
  keys: SchemaKey[];
}

/** The schema as a list, for whoever has to name what is in it. */
export function schemaTables(): SchemaTable[] {
  return Object.entries(CONFIG.shape).flatMap<SchemaTable>(([name, schema]) => {
    const table = bare(schema);
    if (table instanceof z.ZodObject) return [{ name, isArray: false, type: undefined, keys: keysOf(table) }];
    const kinds = table instanceof z.ZodArray ? bare(table.element as z.ZodType) : undefined;
    if (!(kinds instanceof z.ZodDiscriminatedUnion)) throw new Error(`${name} is neither a table nor an array of them`);
    return kinds.options.map((kind) => {
      if (!(kind instanceof z.ZodObject)) throw new Error(`a kind of ${name} is no table`);
      const type = kind.shape.type;
      if (!(type instanceof z.ZodLiteral)) throw new Error(`a kind of ${name} has no type`);
      return { name, isArray: true, type: String(type.value), keys: keysOf(kind) };
    });
  });
}

function keysOf(table: z.ZodObject): SchemaKey[] {
  return Object.entries(table.shape).map(([name, schema]) => ({
    name,
    defaultValue: schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined,
  }));
}

/** Without what says that it may be missing. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? bare(schema.unwrap())
    : schema;
}
