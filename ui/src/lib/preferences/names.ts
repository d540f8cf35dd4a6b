/** The names of a record's entries, in their order. */
export const namesOf = <Name extends string>(record: Record<Name, unknown>) => Object.keys(record) as Name[];
