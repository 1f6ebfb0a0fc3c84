//! A JSON schema as far as the files in `docs/ocsctl-json` use one, read strictly: an object has no keys beside those that are
//! named, so that no field is added, renamed or removed without its file.
//!
//! Never a general validator. Called by the tests of outputs, here and of the sandbox.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

/// A file.
pub(crate) struct Schema {
    root: Value,
}

/// The objects of a schema that a document has, by their place in the file, or all faults of the document.
type Found = Result<BTreeSet<String>, Vec<String>>;

impl Schema {
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let root = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { root }
    }

    /// The objects with named keys that the file knows.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        collect(&self.root, String::new(), &mut all);
        all
    }

    /// Compares a document with the schema.
    pub(crate) fn check(&self, document: &Value) -> Found {
        self.at(&self.root, String::new(), document, "the document")
    }

    fn at(&self, schema: &Value, place: String, value: &Value, path: &str) -> Found {
        if let Some(target) = schema["$ref"].as_str() {
            let place = target.trim_start_matches('#');
            let target = self.root.pointer(place).unwrap_or_else(|| panic!("{target} leads nowhere"));
            return self.at(target, place.to_owned(), value, path);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            return self.any_of(choices, &place, value, path);
        }
        if !is_of(&schema["type"], value) {
            return Err(vec![format!("{path}: {} where {} belongs", kind(value), schema["type"])]);
        }
        match value {
            Value::Object(_) => self.object(schema, place, value, path),
            Value::Array(values) => {
                let items = (&schema["items"], format!("{place}/items"));
                let each = values.iter().enumerate();
                joined(each.map(|(at, value)| self.at(items.0, items.1.clone(), value, &format!("{path}[{at}]"))))
            }
            _ => Ok(BTreeSet::new()),
        }
    }

    fn any_of(&self, choices: &[Value], place: &str, value: &Value, path: &str) -> Found {
        let mut faults = Vec::new();
        for (at, choice) in choices.iter().enumerate() {
            match self.at(choice, format!("{place}/anyOf/{at}"), value, path) {
                Ok(found) => return Ok(found),
                Err(more) => faults.extend(more),
            }
        }
        Err(faults)
    }

    fn object(&self, schema: &Value, place: String, value: &Value, path: &str) -> Found {
        let object = value.as_object().unwrap();
        let named = schema["properties"].as_object();
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing: Vec<String> =
            required.filter(|key| !object.contains_key(*key)).map(|key| format!("{path}: {key} is missing")).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let each = object.iter().map(|(key, value)| {
            let path = format!("{path}.{key}");
            match (named.and_then(|named| named.get(key)), &schema["additionalProperties"]) {
                (Some(schema), _) => self.at(schema, format!("{place}/properties/{key}"), value, &path),
                (None, Value::Null) => Err(vec![format!("{path}: there is no such key in the schema")]),
                (None, others) => self.at(others, format!("{place}/additionalProperties"), value, &path),
            }
        });
        let mut found = joined(each)?;
        if named.is_some() {
            found.insert(place);
        }
        Ok(found)
    }
}

fn joined(each: impl Iterator<Item = Found>) -> Found {
    let (mut all, mut faults) = (BTreeSet::new(), Vec::new());
    for found in each {
        match found {
            Ok(found) => all.extend(found),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

fn collect(schema: &Value, place: String, all: &mut BTreeSet<String>) {
    if schema["properties"].is_object() {
        all.insert(place.clone());
    }
    for word in ["properties", "$defs"] {
        for (key, schema) in schema[word].as_object().into_iter().flatten() {
            collect(schema, format!("{place}/{word}/{key}"), all);
        }
    }
    for word in ["items", "additionalProperties"] {
        if schema[word].is_object() {
            collect(&schema[word], format!("{place}/{word}"), all);
        }
    }
    for (at, choice) in schema["anyOf"].as_array().into_iter().flatten().enumerate() {
        collect(choice, format!("{place}/anyOf/{at}"), all);
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let names: Vec<&str> = match types {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    names.iter().any(|name| *name == kind(value) || *name == "number" && value.is_number())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn a_field_that_is_added_renamed_removed_or_of_another_type_is_found() {
    let root = serde_json::json!({
        "$ref": "#/$defs/View",
        "$defs": {
            "View": {
                "type": "object",
                "properties": {
                    "name": { "type": ["string", "null"] },
                    "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } },
                    "by": { "type": "object", "additionalProperties": { "type": "integer" } }
                },
                "required": ["name", "parts"]
            },
            "Part": { "type": "object", "properties": { "share": { "type": "number" } }, "required": ["share"] }
        }
    });
    let schema = Schema { root };
    let check = |document: Value| schema.check(&document).map_err(|faults| faults.join("; "));
    let whole = serde_json::json!({ "name": null, "parts": [{ "share": 1 }], "by": { "x": 1 } });
    assert_eq!(check(whole), Ok(schema.objects()));
    let fewer = serde_json::json!({ "name": "n", "parts": [] });
    assert_eq!(check(fewer), Ok(BTreeSet::from(["/$defs/View".to_owned()])));
    for (document, fault) in [
        (serde_json::json!({ "parts": [] }), "the document: name is missing"),
        (serde_json::json!({ "name": "n", "parts": [], "more": 1 }), "more: there is no such key"),
        (serde_json::json!({ "name": 1, "parts": [] }), "name: integer where"),
        (serde_json::json!({ "name": "n", "parts": [{ "part": 1 }] }), "parts[0]: share is missing"),
        (serde_json::json!({ "name": "n", "parts": [], "by": { "x": "1" } }), "by.x: string where"),
    ] {
        let faults = check(document).unwrap_err();
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
}
