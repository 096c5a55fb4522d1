/** Reading JSON Schema: what it refers to, and what it says in words. No DOM in here. */

/** A schema with its $ref followed and its "or null" set apart. */
export function plain(schema, root) {
  if (schema.$ref) {
    const found = schema.$ref
      .split("/")
      .slice(1)
      .reduce((at, key) => at[key], root);
    const { $ref, ...own } = schema;
    return plain({ ...found, ...own }, root);
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options?.some((one) => one.type === "null")) {
    const rest = options.filter((one) => one.type !== "null");
    const { anyOf, oneOf, ...own } = schema;
    const inner = rest.length === 1 ? plain(rest[0], root) : { anyOf: rest };
    return { ...inner, ...own, nullable: true };
  }
  return schema;
}

/** The alternatives of a schema as `plain` gives it, or null. */
const alternatives = (schema) => schema.anyOf ?? schema.oneOf ?? null;

/** "string", "integer or null", "array of object", "string (date-time)" */
export function typeName(raw, root) {
  const schema = plain(raw, root);
  const name = alternatives(schema)
    ? [...new Set(alternatives(schema).map((one) => typeName(one, root)))].join(" or ")
    : simpleName(schema, root);
  return schema.nullable ? `${name} or null` : name;
}

function simpleName(schema, root) {
  if (schema.type === "array" && schema.items) return `array of ${typeName(schema.items, root)}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return (schema.type ?? "anything") + (schema.format ? ` (${schema.format})` : "");
}

/**
 * What a value must keep to besides its type: "1 to 60", "at most 128 characters".
 * @returns {string[]}
 */
export function limits(raw, root) {
  const schema = plain(raw, root);
  return [
    span(schema.minimum, schema.maximum, ""),
    schema.exclusiveMinimum !== undefined && `more than ${schema.exclusiveMinimum}`,
    schema.exclusiveMaximum !== undefined && `less than ${schema.exclusiveMaximum}`,
    span(schema.minLength, schema.maxLength, "character"),
    span(schema.minItems, schema.maxItems, "item"),
    schema.pattern && `matches ${schema.pattern}`,
    ...(alternatives(schema) ?? []).flatMap((one) => limits(one, root)),
    ...(schema.items ? limits(schema.items, root).map((limit) => `each ${limit}`) : []),
  ].filter(Boolean);
}

function span(least, most, unit) {
  const count = (number) => `${number}${unit && ` ${unit}${number === 1 ? "" : "s"}`}`;
  if (least === undefined && most === undefined) return null;
  if (least === undefined) return `at most ${count(most)}`;
  // 2^53 and 2^63 say no more than "a number".
  if (most === undefined || most >= Number.MAX_SAFE_INTEGER) return `at least ${count(least)}`;
  return least === most ? count(least) : `${least} to ${count(most)}`;
}

/** The only values there are, those of an array's items included, or null. */
export function values(raw, root) {
  const schema = plain(raw, root);
  if ("const" in schema) return [schema.const];
  if (schema.enum) return schema.enum;
  const options = alternatives(schema)?.map((one) => values(one, root));
  if (options?.every(Boolean)) return options.flat();
  return schema.items ? values(schema.items, root) : null;
}

/**
 * The fields inside a value, through arrays and alternatives.
 * @returns {Array<{name: string, schema: Object, required: boolean}>}
 */
export function fieldsOf(raw, root) {
  const schema = plain(raw, root);
  const required = new Set(schema.required);
  const named = Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name,
    schema: one,
    required: required.has(name),
  }));
  const rest = schema.additionalProperties;
  if (rest && rest !== true) named.push({ name: "any name", schema: rest, required: false });
  return [
    ...named,
    ...(alternatives(schema) ?? []).flatMap((one) => fieldsOf(one, root)),
    ...(schema.items ? fieldsOf(schema.items, root) : []),
  ];
}

/** A value that fits, with no more in it than is required; of an object without required fields, the first one. */
export function example(raw, root) {
  const schema = plain(raw, root);
  if (schema.examples?.length) return schema.examples[0];
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (alternatives(schema)) return example(alternatives(schema)[0], root);
  if (schema.properties) {
    const names = schema.required ?? Object.keys(schema.properties).slice(0, 1);
    return Object.fromEntries(names.map((name) => [name, example(schema.properties[name], root)]));
  }
  if (schema.type === "array") return schema.items ? [example(schema.items, root)] : [];
  return { integer: schema.minimum ?? 1, number: schema.minimum ?? 1, boolean: true, object: {} }[schema.type] ?? "…";
}
