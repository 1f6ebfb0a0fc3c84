//! The shipped configurations of HAProxy, nginx and Envoy say the same about nodes, checks, errors and times. Envoy's is read here,
//! since no Envoy runs in the tests.

use std::{fs, path::Path};

use serde_json::{Map, Value};

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy").join(name);
    fs::read_to_string(path).unwrap()
}

// === YAML, as far as the file goes ===

/// The lines of a file: indentation and content, comments left out.
fn lines(text: &str) -> Vec<(usize, String)> {
    let content = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    content.map(|line| (line.len() - line.trim_start().len(), line.trim().to_owned())).collect()
}

/// The mapping or list whose lines begin at this place, with this indentation.
fn block(lines: &mut [(usize, String)], at: &mut usize, indent: usize) -> Value {
    let (mut list, mut map) = (Vec::new(), Map::new());
    while let Some((own, text)) = lines.get(*at).cloned().filter(|(own, _)| *own == indent) {
        if let Some(item) = text.strip_prefix("- ") {
            lines[*at] = (own + 2, item.to_owned());
            list.push(block(lines, at, own + 2));
            continue;
        }
        if !list.is_empty() {
            break; // the key behind a list of the same indentation
        }
        let (key, value) = text.split_once(':').unwrap_or_else(|| panic!("no key: {text}"));
        *at += 1;
        let value = match value.trim() {
            "" => below(lines, at, indent),
            inline => Flow(inline).whole(),
        };
        map.insert(key.trim_matches('"').to_owned(), value);
    }
    if list.is_empty() { Value::Object(map) } else { Value::Array(list) }
}

/// The value of a key that stands below the key.
fn below(lines: &mut [(usize, String)], at: &mut usize, indent: usize) -> Value {
    match lines.get(*at) {
        Some((deeper, _)) if *deeper > indent => {
            let deeper = *deeper;
            block(lines, at, deeper)
        }
        Some((same, text)) if *same == indent && text.starts_with("- ") => block(lines, at, indent),
        _ => Value::Null,
    }
}

/// The rest of a value within one line.
struct Flow<'a>(&'a str);

impl Flow<'_> {
    fn whole(mut self) -> Value {
        if !self.0.starts_with(['{', '[', '"']) {
            return scalar(self.0);
        }
        let value = self.value();
        assert_eq!(self.0.trim(), "", "bytes behind a value");
        value
    }

    fn value(&mut self) -> Value {
        self.0 = self.0.trim_start();
        match self.0.chars().next() {
            Some('{') => self.mapping(),
            Some('[') => self.list(),
            Some('"') => Value::String(self.quoted()),
            _ => scalar(self.until(&[',', '}', ']'])),
        }
    }

    fn mapping(&mut self) -> Value {
        let mut map = Map::new();
        self.0 = &self.0[1..];
        while !self.ends('}') {
            let key = self.until(&[':']).trim().trim_matches('"').to_owned();
            self.0 = &self.0[1..];
            let value = self.value();
            map.insert(key, value);
        }
        Value::Object(map)
    }

    fn list(&mut self) -> Value {
        let mut list = Vec::new();
        self.0 = &self.0[1..];
        while !self.ends(']') {
            list.push(self.value());
        }
        Value::Array(list)
    }

    /// Passes over a comma; true: passes over the end.
    fn ends(&mut self, end: char) -> bool {
        self.0 = self.0.trim_start().trim_start_matches(',').trim_start();
        match self.0.strip_prefix(end) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn quoted(&mut self) -> String {
        let (text, rest) = self.0[1..].split_once('"').unwrap();
        self.0 = rest;
        text.to_owned()
    }

    fn until(&mut self, ends: &[char]) -> &str {
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        text
    }
}

fn scalar(text: &str) -> Value {
    let text = text.trim();
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse::<u64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

fn envoy() -> Value {
    let mut lines = lines(&shipped("envoy.yaml"));
    let mut at = 0;
    let whole = block(&mut lines, &mut at, 0);
    assert_eq!(at, lines.len(), "not read to its end: {:?}", lines.get(at));
    whole["static_resources"].clone()
}

/// The entry of a list with this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn address(of: &Value) -> String {
    let socket = &of["address"]["socket_address"];
    format!("{}:{}", socket["address"].as_str().unwrap(), socket["port_value"])
}

fn endpoints(cluster: &Value) -> Vec<String> {
    let list = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].as_array().unwrap();
    list.iter().map(|entry| address(&entry["endpoint"])).collect()
}

fn seconds(text: &Value) -> f64 {
    text.as_str().and_then(|text| text.strip_suffix('s')).unwrap().parse().unwrap()
}

// === the others ===

/// The words of the lines of a section, up to the next section: "backend NAME" of HAProxy, "upstream NAME {" of nginx.
fn section(text: &str, head: &str) -> Vec<Vec<String>> {
    let body = text.lines().skip_while(|line| line.trim() != head).skip(1);
    let ends = |line: &&str| !line.starts_with(char::is_alphabetic) && line.trim() != "}";
    let words = |line: &str| line.trim().trim_end_matches(';').split_whitespace().map(str::to_owned).collect();
    body.take_while(ends).map(words).collect()
}

/// The addresses behind a word that begins a line, at this place of the line.
fn addresses(section: &[Vec<String>], word: &str, place: usize) -> Vec<String> {
    section
        .iter()
        .filter(|words| words.first().is_some_and(|first| first == word))
        .map(|words| words[place].clone())
        .collect()
}

fn haproxy(head: &str) -> Vec<Vec<String>> {
    section(&shipped("haproxy.cfg"), head)
}

// === the same in all ===

#[test]
fn the_three_balancers_listen_and_forward_at_the_same_addresses() {
    let (envoy, nginx) = (envoy(), shipped("nginx.conf"));
    let own = address(named(&envoy["listeners"], "ocs"));
    assert_eq!(addresses(&haproxy("frontend ocs"), "bind", 1), [own.as_str()]);
    assert!(nginx.contains(&format!("listen {own};")));
    let nodes = endpoints(named(&envoy["clusters"], "ocs_nodes"));
    assert_eq!(nodes, endpoints(named(&envoy["clusters"], "ocs_live")));
    for backend in ["backend ocs_nodes", "backend ocs_live"] {
        assert_eq!(addresses(&haproxy(backend), "server", 2), nodes, "{backend}");
    }
    assert_eq!(addresses(&section(&nginx, "upstream ocs_nodes {"), "server", 1), nodes);
}

#[test]
fn a_read_goes_to_a_node_that_lives_where_none_is_ready_and_checks_ask_what_they_should() {
    let envoy = envoy();
    for (cluster, path) in [("ocs_nodes", "/readyz"), ("ocs_live", "/livez")] {
        let here = named(&envoy["clusters"], cluster);
        assert_eq!(here["health_checks"][0]["http_health_check"]["path"], path, "{cluster}");
        assert_eq!(here["common_lb_config"]["healthy_panic_threshold"]["value"], 0, "{cluster}");
        assert_eq!(here["load_assignment"]["cluster_name"], cluster);
        let check = haproxy(&format!("backend {cluster}"))
            .into_iter()
            .find(|words| words.starts_with(&["http-check".to_owned(), "send".to_owned()]));
        assert!(check.unwrap().contains(&path.to_owned()), "{cluster}");
    }
    let reads = named(&envoy["clusters"], "ocs_reads");
    assert_eq!(reads["cluster_type"]["name"], "envoy.clusters.aggregate");
    assert_eq!(reads["cluster_type"]["typed_config"]["clusters"], serde_json::json!(["ocs_nodes", "ocs_live"]));
    let manager = &envoy["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let routes = &manager["route_config"]["virtual_hosts"][0]["routes"];
    assert_eq!(named(routes, "reads")["match"]["headers"][0]["string_match"]["safe_regex"]["regex"], "GET|HEAD");
    assert_eq!(named(routes, "reads")["route"]["cluster"], "ocs_reads");
    assert_eq!(named(routes, "updates")["route"]["cluster"], "ocs_nodes");
    let rules = haproxy("frontend ocs");
    let rule = |text: &str| rules.iter().any(|words| words.join(" ") == text);
    assert!(rule("use_backend ocs_live if no_node_ready METH_GET") && rule("use_backend ocs_unready if no_node_ready"));
}

#[test]
fn a_request_that_changes_something_carries_a_balancers_key_and_is_tried_for_longer_than_a_node_takes() {
    let envoy = envoy();
    let manager = &envoy["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let updates = named(&manager["route_config"]["virtual_hosts"][0]["routes"], "updates");
    let added = &updates["request_headers_to_add"][0];
    assert_eq!(
        (added["header"]["key"].as_str(), added["append_action"].as_str()),
        (Some("Idempotency-Key"), Some("ADD_IF_ABSENT"))
    );
    assert!(added["header"]["value"].as_str().unwrap().starts_with("balancer-%"));
    assert!(shipped("haproxy.cfg").contains("set-header Idempotency-Key balancer-"));
    assert!(shipped("nginx.conf").contains("\"balancer-$request_id\""));
    let retries = &updates["route"]["retry_policy"];
    assert_eq!(retries["retriable_status_codes"], serde_json::json!([502, 503, 504]));
    assert!(seconds(&retries["per_try_timeout"]) > 10.0, "the nodes answer within deadline_ms");
    let all = seconds(&retries["per_try_timeout"]) * (retries["num_retries"].as_u64().unwrap() + 1) as f64;
    assert!((all..60.0).contains(&seconds(&updates["route"]["timeout"])), "a balancer's key holds for a minute");
    let filters: Vec<_> =
        manager["http_filters"].as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    assert_eq!(filters, ["envoy.filters.http.buffer", "envoy.filters.http.router"]);
    let idle = &manager["common_http_protocol_options"];
    assert_eq!(
        (seconds(&idle["idle_timeout"]), idle["headers_with_underscores_action"].as_str()),
        (60.0, Some("REJECT_REQUEST"))
    );
}

#[test]
fn each_balancer_answers_its_own_errors_as_a_node_does() {
    let (haproxy, nginx, envoy) = (shipped("haproxy.cfg"), shipped("nginx.conf"), envoy());
    let manager = &envoy["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let mappers = manager["local_reply_config"]["mappers"].as_array().unwrap();
    let codes = [("OUTCOME_UNKNOWN", true), ("UNAVAILABLE", true), ("REQUEST_TIMEOUT", false), ("LIMIT", false)];
    assert_eq!(mappers.len(), codes.len());
    for (mapper, (code, later)) in mappers.iter().zip(codes) {
        let body = &mapper["body_format_override"]["json_format"];
        assert_eq!((body["GSW_USER_EVENT"].as_str(), body["GSW_ERROR_CODE"].as_str()), (Some("Error"), Some(code)));
        if !later {
            continue;
        }
        assert_eq!(mapper["headers_to_add"][0]["header"], serde_json::json!({"key": "Retry-After", "value": "1"}));
    }
    assert_eq!(manager["local_reply_config"]["body_format"]["json_format"]["GSW_USER_EVENT"], "Error");
    for status in [400, 404, 405, 413, 414, 500, 501, 505] {
        let page = format!("/.ocs/{status};");
        assert!(nginx.lines().any(|line| line.trim().starts_with("error_page ") && line.ends_with(&page)), "{status}");
        assert!(nginx.contains(&format!("return {status} '{{")), "{status}");
    }
    let quoted = |text: &str| -> Vec<Value> {
        let lines = text.lines().filter(|line| line.contains("GSW_ERROR_CODE"));
        let json = |line: &str| line.split('\'').nth(1).map(|json| serde_json::from_str(json).unwrap());
        lines.filter_map(json).collect()
    };
    for (name, text) in [("HAProxy", haproxy), ("nginx", nginx)] {
        let bodies = quoted(&text);
        assert!(bodies.len() >= 3, "{name}");
        for body in &bodies {
            assert!(body["GSW_USER_EVENT"] == "Error" && body["GSW_ERROR"].is_string(), "{name}: {body}");
        }
        for code in ["UNAVAILABLE", "OUTCOME_UNKNOWN"] {
            assert!(bodies.iter().any(|body| body["GSW_ERROR_CODE"] == code), "{name}: {code}");
        }
    }
}
