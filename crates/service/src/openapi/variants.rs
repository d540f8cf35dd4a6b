//! Rewrites union types in the OpenAPI document for client generators.
//!
//! utoipa nests `allOf` and `oneOf` for an enum that is flattened into another type, and for an enum whose variants are
//! other types. openapi-python-client drops every type and operation that uses such a schema, and client generators
//! give the nested types numbered names. Therefore each variant becomes a flat object with its own name.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

const SCHEMA_REFERENCE_PREFIX: &str = "#/components/schemas/";

type JsonMap = Map<String, Value>;

/// Gives each variant of the document's union types a name, such as `KeyEventCreated`.
pub(crate) fn name_variants(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object().cloned() else {
        return;
    };
    let mut rewritten = schemas.clone();
    for (name, schema) in &schemas {
        let Some(variants) = collect_variants(schema, &schemas) else {
            continue;
        };
        let Some(tag) = variants.first().and_then(|first| find_common_tag(first, &variants)) else {
            continue;
        };
        let (mut references, mut mapping) = (Vec::new(), JsonMap::new());
        for mut variant in variants {
            let Some(value) = tag_value(&variant, &tag).map(str::to_owned) else {
                continue;
            };
            let variant_name = format!("{name}{}", to_pascal_case(&value));
            let reference = format!("{SCHEMA_REFERENCE_PREFIX}{variant_name}");
            variant["properties"][tag.as_str()] = json!({ "type": "string", "const": value });
            references.push(json!({ "$ref": reference }));
            mapping.insert(value, reference.into());
            rewritten.insert(variant_name, variant.into());
        }
        let mut union = JsonMap::new();
        union.extend(schema.get("description").map(|text| ("description".to_owned(), text.clone())));
        union.insert("oneOf".to_owned(), references.into());
        union.insert("discriminator".to_owned(), json!({ "propertyName": tag, "mapping": mapping }));
        rewritten.insert(name.clone(), union.into());
    }
    document["components"]["schemas"] = rewritten.into();
    remove_unused_schemas(document, &references_in(schemas.values()));
}

/// Returns the variants of a type, each as a flat object; `None` for a type without variants.
fn collect_variants(schema: &Value, schemas: &JsonMap) -> Option<Vec<JsonMap>> {
    if let Some(one_of) = schema["oneOf"].as_array() {
        return one_of.iter().map(|variant| flatten_object(variant, schemas)).collect();
    }
    let parts = schema["allOf"].as_array()?;
    let mut variants = None;
    let mut common = Vec::new();
    for part in parts {
        match flatten_object(part, schemas) {
            Some(object) => common.push(object),
            None if variants.is_none() => {
                variants = Some(collect_variants(resolve_reference(part, schemas)?, schemas)?)
            }
            None => return None,
        }
    }
    let merge_common = |variant| common.iter().cloned().fold(variant, |all, part| merge_objects(part, all));
    Some(variants?.into_iter().map(merge_common).collect())
}

/// Merges the parts of a schema into one object. Returns `None` if a part is not an object.
fn flatten_object(schema: &Value, schemas: &JsonMap) -> Option<JsonMap> {
    let object = schema.as_object()?;
    let mut flat = if object.contains_key("$ref") {
        flatten_object(resolve_reference(schema, schemas)?, schemas)?
    } else if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| flatten_object(part, schemas)).collect::<Option<Vec<_>>>()?;
        parts.into_iter().reduce(merge_objects)?
    } else if schema["type"] == "object" {
        object.clone()
    } else {
        return None;
    };
    // A description next to the reference takes precedence over that of the referenced type, because it is more
    // specific.
    flat.extend(object.get("description").map(|text| ("description".to_owned(), text.clone())));
    Some(flat)
}

fn resolve_reference<'a>(schema: &Value, schemas: &'a JsonMap) -> Option<&'a Value> {
    schemas.get(schema["$ref"].as_str()?.strip_prefix(SCHEMA_REFERENCE_PREFIX)?)
}

/// Merges two object schemas into one that has the properties of both.
fn merge_objects(mut one: JsonMap, other: JsonMap) -> JsonMap {
    for (field, value) in other {
        match (one.get_mut(&field), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            (_, value) => {
                one.insert(field, value);
            }
        }
    }
    one
}

/// Finds the property that has a single constant value in each variant.
fn find_common_tag(first: &JsonMap, variants: &[JsonMap]) -> Option<String> {
    let mut names = first["properties"].as_object()?.keys();
    names.find(|name| variants.iter().all(|variant| tag_value(variant, name).is_some())).cloned()
}

/// Returns the value of a property if only one value is allowed.
fn tag_value<'a>(variant: &'a JsonMap, name: &str) -> Option<&'a str> {
    match variant.get("properties")?[name]["enum"].as_array()?.as_slice() {
        [Value::String(value)] => Some(value),
        _ => None,
    }
}

/// Converts `training_started` and `trainingStarted` to `TrainingStarted`.
fn to_pascal_case(name: &str) -> String {
    let words = name.split('_').filter_map(|word| {
        let (first, rest) = word.split_at_checked(1)?;
        Some(first.to_ascii_uppercase() + rest)
    });
    words.collect()
}

/// Removes types that are no longer referenced because they were merged into other types. Also removes the variants
/// that were derived from the removed types.
fn remove_unused_schemas(document: &mut Value, used_before: &BTreeSet<String>) {
    let mut named = used_before.clone();
    loop {
        let used = references_in([&*document]);
        named.extend(used.iter().cloned());
        let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
            return;
        };
        let count = schemas.len();
        schemas.retain(|name, _| {
            let reference = format!("{SCHEMA_REFERENCE_PREFIX}{name}");
            used.contains(&reference) || !named.contains(&reference)
        });
        if schemas.len() == count {
            return;
        }
    }
}

fn references_in<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    values.into_iter().for_each(|value| collect_references(value, &mut found));
    found
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_references(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite_schemas(schemas: Value) -> Value {
        let mut document = json!({ "components": { "schemas": schemas } });
        name_variants(&mut document);
        document["components"]["schemas"].take()
    }

    #[test]
    fn flattened_enum_becomes_named_flat_variants() {
        let text = json!({ "type": "string" });
        let variant = |kind: &str, field: &str| {
            json!({ "type": "object", "description": kind, "required": [field, "kind"],
                    "properties": { field: text, "kind": { "type": "string", "enum": [kind] } } })
        };
        let schemas = rewrite_schemas(json!({
            "Fact": { "oneOf": [variant("made", "by"), variant("new_name", "name")] },
            "Entry": { "description": "An entry.", "allOf": [
                { "$ref": "#/components/schemas/Fact" },
                { "type": "object", "required": ["at"], "properties": { "at": text } },
            ] },
        }));
        let flat = |kind: &str, field: &str| {
            json!({ "type": "object", "description": kind, "required": ["at", field, "kind"],
                    "properties": { "at": text, field: text, "kind": { "type": "string", "const": kind } } })
        };
        assert_eq!(schemas["EntryMade"], flat("made", "by"));
        assert_eq!(schemas["EntryNewName"], flat("new_name", "name"));
        assert_eq!(
            schemas["Entry"],
            json!({
                "description": "An entry.",
                "oneOf": [{ "$ref": "#/components/schemas/EntryMade" }, { "$ref": "#/components/schemas/EntryNewName" }],
                "discriminator": { "propertyName": "kind", "mapping": {
                    "made": "#/components/schemas/EntryMade", "new_name": "#/components/schemas/EntryNewName" } },
            })
        );
        assert_eq!(
            schemas.as_object().map(|all| all.len()),
            Some(3),
            "types that are no longer referenced are removed: {schemas}"
        );
    }

    #[test]
    fn types_without_tag_are_left_unchanged() {
        let schemas = json!({
            "Name": { "type": "string" },
            "Maybe": { "oneOf": [{ "$ref": "#/components/schemas/Name" }, { "type": "null" }] },
            "Both": { "allOf": [{ "$ref": "#/components/schemas/Maybe" }, { "type": "object", "properties": {} }] },
            "Either": { "oneOf": [{ "type": "object", "properties": {} }, { "type": "object", "properties": {} }] },
        });
        assert_eq!(rewrite_schemas(schemas.clone()), schemas);
    }
}
