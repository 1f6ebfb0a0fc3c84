//! `docs/api/ocs.postman_collection.json`, made from the description of the REST interface (OpenAPI): an operation or an example that
//! changes without the collection fails here. `UPDATE_DOCS=1 cargo test -p http-proxy --test proxy postman` writes the file anew;
//! read the difference.

use std::{fs, path::PathBuf};

use http_proxy::{
    from_api::{ROUTES, VERSION_PREFIX},
    to_api::document,
};
use serde_json::{Map, Value, json};

use crate::api::translated;

/// Version 2.1 of the format of collections.
const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];
/// The folders of the collection, with the tags of their operations.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("Lists and records", &["lists", "records"]),
    ("Campaigns", &["campaigns", "campaign-groups"]),
    ("Do-Not-Call", &["do-not-call"]),
    ("Operations", &["cluster", "history", "switchover", "pause", "resume", "backups", "audit", "series"]),
];
const DESCRIPTION: &str = "The REST interface of ocs, made from its description at /api/openapi.json. Set the variables base_url (either \
                           HTTP Proxy, or a load balancer in front of both) and token (an API token, `ocsctl token create`). Nodes \
                           with auth = \"none\" take every request and read no token.";

#[test]
fn the_collection_is_what_the_description_gives() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/ocs.postman_collection.json");
    let made = collection(&description());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
        return;
    }
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    let mend = "`UPDATE_DOCS=1 cargo test -p http-proxy --test proxy postman` writes docs/api/ocs.postman_collection.json anew";
    for item in items(&made) {
        assert!(items(&kept).contains(&item), "the collection lacks {item}; {mend}");
    }
    assert_eq!(kept, made, "{mend}");
}

#[test]
fn every_request_of_the_collection_is_one_that_the_interface_takes() {
    let made = collection(&description());
    let all = items(&made);
    assert_eq!(all.len(), ROUTES.len());
    for item in all {
        let request = &item["request"];
        let method = request["method"].as_str().unwrap();
        let body = request["body"]["raw"].as_str().unwrap_or_default();
        let call = translated(method, &target(&request["url"]), &[], body);
        let call = call.unwrap_or_else(|refused| panic!("{item}: {refused:?}"));
        assert_eq!(item["name"], format!("{}: {}", call.route.id, call.route.summary), "{item}");
    }
}

fn description() -> Value {
    serde_json::from_str(&document()).unwrap()
}

/// The requests of a collection, those of all folders.
fn items(collection: &Value) -> Vec<&Value> {
    let folders = collection["item"].as_array().into_iter().flatten();
    folders.flat_map(|folder| folder["item"].as_array().into_iter().flatten()).collect()
}

/// Path and query of a request behind `/api/v1`, as Postman sends them.
fn target(url: &Value) -> String {
    let named = |name: &str| {
        let variables = url["variable"].as_array().into_iter().flatten();
        let value =
            variables.filter(|variable| variable["key"] == name).find_map(|variable| variable["value"].as_str());
        value.unwrap_or_else(|| panic!("{url} gives no {name}")).to_owned()
    };
    let segment = |segment: &Value| {
        let segment = segment.as_str().unwrap();
        segment.strip_prefix(':').map_or_else(|| segment.to_owned(), named)
    };
    let path: Vec<String> = url["path"].as_array().unwrap().iter().map(segment).collect();
    let query = url["query"].as_array().into_iter().flatten().filter(|parameter| parameter["disabled"] != true);
    let query: Vec<String> =
        query.map(|parameter| ["key", "value"].map(|part| parameter[part].as_str().unwrap()).join("=")).collect();
    let path = format!("/{}", path.join("/"));
    let path = path.strip_prefix(VERSION_PREFIX).unwrap_or_else(|| panic!("{path} is of no version"));
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

// === the collection ===

fn collection(description: &Value) -> Value {
    let folders: Vec<Value> =
        FOLDERS.iter().map(|(name, tags)| json!({ "name": name, "item": folder(description, tags) })).collect();
    json!({
        "info": { "name": "ocs", "description": DESCRIPTION, "schema": SCHEMA },
        "auth": { "type": "bearer", "bearer": [{ "key": "token", "value": "{{token}}", "type": "string" }] },
        "variable": [
            { "key": "base_url", "value": "http://127.0.0.1:8080" },
            { "key": "token", "value": "" },
        ],
        "item": folders,
    })
}

/// The requests of a folder, in the order of the description.
fn folder(description: &Value, tags: &[&str]) -> Vec<Value> {
    let mut requests = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = operations.get(method) else { continue };
            let tag = operation["tags"][0].as_str().unwrap();
            let is_known = FOLDERS.iter().any(|(_, tags)| tags.contains(&tag));
            assert!(is_known, "no folder has operations of the tag {tag}: add the tag to FOLDERS");
            if tags.contains(&tag) {
                requests.push(item(path, method, operation));
            }
        }
    }
    requests
}

fn item(path: &str, method: &str, operation: &Value) -> Value {
    let text = |name: &str| operation[name].as_str().unwrap();
    let name = format!("{}: {}", text("operationId"), text("summary"));
    let scope = format!("Scope: {}", text("x-scope"));
    let mut request =
        json!({ "method": method.to_uppercase(), "header": headers(operation), "url": url(path, operation) });
    if let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") {
        let raw = serde_json::to_string_pretty(example).unwrap();
        request["body"] = json!({ "mode": "raw", "raw": raw, "options": { "raw": { "language": "json" } } });
    }
    request["description"] = scope.into();
    json!({ "name": name, "request": request, "response": [] })
}

/// The parameters of an operation in a place: `path`, `query` or `header`.
fn parameters<'a>(operation: &'a Value, place: &'static str) -> impl Iterator<Item = &'a Value> {
    operation["parameters"].as_array().into_iter().flatten().filter(move |parameter| parameter["in"] == place)
}

/// A parameter as Postman has one. Without an example a parameter is switched off.
fn parameter(parameter: &Value) -> Value {
    let mut made = Map::new();
    made.insert("key".to_owned(), parameter["name"].clone());
    let value = match parameter.get("example") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    made.insert("value".to_owned(), value.into());
    if let Some(means) = parameter.get("description") {
        made.insert("description".to_owned(), means.clone());
    }
    if parameter.get("example").is_none() {
        made.insert("disabled".to_owned(), true.into());
    }
    Value::Object(made)
}

fn headers(operation: &Value) -> Vec<Value> {
    let of_body = operation.get("requestBody").map(|_| json!({ "key": "Content-Type", "value": "application/json" }));
    of_body.into_iter().chain(parameters(operation, "header").map(parameter)).collect()
}

fn url(path: &str, operation: &Value) -> Value {
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => format!(":{name}"),
        None => segment.to_owned(),
    };
    let segments: Vec<String> = path.split('/').skip(1).map(segment).collect();
    let query: Vec<Value> = parameters(operation, "query").map(parameter).collect();
    let sent = query.iter().filter(|parameter| parameter["disabled"] != true);
    let sent: Vec<String> =
        sent.map(|parameter| ["key", "value"].map(|part| parameter[part].as_str().unwrap()).join("=")).collect();
    let behind = if sent.is_empty() { String::new() } else { format!("?{}", sent.join("&")) };
    let variables: Vec<Value> = parameters(operation, "path").map(parameter).collect();
    json!({
        "raw": format!("{{{{base_url}}}}/{}{behind}", segments.join("/")),
        "host": ["{{base_url}}"],
        "path": segments,
        "query": query,
        "variable": variables,
    })
}
