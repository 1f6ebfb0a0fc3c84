//! A thing as an object of JSON, under the keys of its table in a file.
//!
//! Knows no key: the object becomes a text of TOML, which is read as the text of a file is. Called by the root.

use serde_json::{Map, Value};

use crate::writing::{key, quoted};

/// The text that declares one thing.
pub(super) fn to_toml(word: &str, thing: &Map<String, Value>) -> String {
    let mut text = format!("{word} = [");
    write_members(thing, &mut text);
    text.push_str("]\n");
    text
}

fn write_members(members: &Map<String, Value>, text: &mut String) {
    text.push('{');
    let mut separator = "";
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        text.push_str(separator);
        text.push_str(&key(name));
        text.push_str(" = ");
        write_value(value, text);
        separator = ", ";
    }
    text.push('}');
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("{}"), // in an array: TOML has no null, and no key takes an empty table
        Value::Bool(flag) => text.push_str(&flag.to_string()),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Array(items) => {
            text.push('[');
            let mut separator = "";
            for item in items {
                text.push_str(separator);
                write_value(item, text);
                separator = ", ";
            }
            text.push(']');
        }
        Value::Object(members) => write_members(members, text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{of_json, parse};

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn an_object_declares_what_its_table_in_a_file_declares() {
        let list = json!({
            "name": "a \"b\"\n\u{7f}",
            "dbid": 7,
            "calendar": null,
            "treatments": ["t", "ü"],
            "record_history": true,
            "send_attributes": { "b.c": "2", "a": "1" },
            "fields": [{ "name": "AGE", "type": "int", "default": 5 }, { "name": "B", "default": "-" }],
        });
        let of_list = r#"
[[lists]]
name = "a \"b\"\n\u007f"
dbid = 7
treatments = ["t", "ü"]
record_history = true
send_attributes = { "b.c" = "2", a = "1" }
fields = [{ name = "AGE", type = "int", default = 5 }, { name = "B", default = "-" }]
"#;
        let campaign = json!({ "name": "c", "lists": [{ "list": "a", "weight": 10 }, { "list": "b" }] });
        let of_campaign = "[[campaigns]]\nname = \"c\"\nlists = [{ list = \"a\", weight = 10 }, { list = \"b\" }]\n";
        let group = json!({ "campaign": "c", "group": "g", "desktop_chains_limit": 1 });
        let of_group = "[[campaign_groups]]\ncampaign = \"c\"\ngroup = \"g\"\ndesktop_chains_limit = 1\n";
        for (word, thing, file) in
            [("lists", list, of_list), ("campaigns", campaign, of_campaign), ("campaign_groups", group, of_group)]
        {
            assert_eq!(of_json(word, &object(thing)), Ok(parse(file).unwrap().0), "{word}");
        }
    }

    #[test]
    fn the_first_fault_of_an_object_is_told_with_its_place_and_without_a_line() {
        let deep = (0..200).fold(json!([]), |inner, _| json!([inner]));
        for (thing, begin) in [
            (json!({}), "lists: has no name"),
            (json!({ "name": "" }), "lists.name: takes a text in quotes that is not empty, not \"\""),
            (
                json!({ "name": "a", "colour": 1, "size": 2 }),
                "lists.a.colour: is no key of [[lists]]; there are name, dbid",
            ),
            (json!({ "name": "a", "dbid": -1 }), "lists.a.dbid: takes a whole number from 0 to 4294967295, not -1"),
            (json!({ "name": "a", "dbid": 1.5 }), "lists.a.dbid: takes a whole number from 0 to 4294967295, not 1.5"),
            (json!({ "name": "a", "attempts_max": u64::MAX }), "lists.a.attempts_max: takes a whole number"),
            (json!({ "name": "a", "treatments": [null] }), "lists.a.treatments: takes a text in quotes, not a table"),
            (json!({ "name": "a", "fields": [{ "name": "X" }, { "name": "X" }] }), "lists.a.fields.X: is there twice"),
            (json!({ "name": "a", "fields": deep }), "the object is nested too deeply"),
        ] {
            let fault = of_json("lists", &object(thing)).unwrap_err();
            assert!(fault.line.is_none() && fault.sentence().starts_with(begin), "{begin}: {fault:?}");
        }
    }
}
