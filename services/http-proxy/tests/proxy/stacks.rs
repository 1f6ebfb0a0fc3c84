//! The requests of common HTTP stacks, recorded byte by byte in `tests/stacks/` (spec 4, MEASURED), under every request name.
//!
//! curl 7.88, Python 3.11 (urllib; requests 2.34), Node 20 (http, fetch), Java 17 (HttpURLConnection, HttpClient). A recording is a
//! POST of RecordProcessed; the tests put other names into its first line.

use std::{fs, path::Path};

use outbound::{Resource, ResourceType, Value, Verb};

use crate::support::{Node, configure, hold};

/// The target of every recording.
const RECORDED: &str = "/records/15?req=RecordProcessed";
/// The body of every recording that has a body, without blanks.
const BODY: &str = "{\"GSW_CALL_RESULT\":33}";

struct Recording {
    name: String,
    text: String,
}

impl Recording {
    /// The recording with another target.
    fn of(&self, target: &str) -> String {
        assert_eq!(self.text.matches(RECORDED).count(), 1, "{}", self.name);
        self.text.replacen(RECORDED, target, 1)
    }

    fn has_body(&self) -> bool {
        self.text.replace(' ', "").contains(BODY)
    }
}

fn recordings() -> Vec<Recording> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let of_http = paths.filter(|path| path.extension().is_some_and(|extension| extension == "http"));
    let recording = |path: std::path::PathBuf| Recording {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        text: String::from_utf8(fs::read(&path).unwrap()).unwrap(),
    };
    of_http.map(recording).collect()
}

/// The resource of each type, as a path and as its meaning.
fn resource(kind: ResourceType) -> (&'static str, Resource) {
    match kind {
        ResourceType::Records => ("/records/15", Resource::Record(outbound::Handle(15))),
        ResourceType::Phones => ("/phones/+12125550100", Resource::Phone("+12125550100".into())),
        ResourceType::CustomerIds => ("/customer_ids/K-7", Resource::Customer("K-7".into())),
        ResourceType::Lists => ("/lists/renewals", Resource::List("renewals".into())),
        ResourceType::CampaignGroups => {
            ("/campaigngroups/Renewals@Agents", Resource::CampaignGroup("Renewals@Agents".into()))
        }
    }
}

/// Every name and alias of a request with a resource that the request works on.
fn requests() -> Vec<(Verb, &'static str, ResourceType)> {
    let named = Verb::all().filter(|verb| verb.has_request_name());
    let names = named.flat_map(|verb| {
        let names = std::iter::once(verb.name()).chain(verb.aliases().iter().copied());
        names.map(move |name| (verb, name))
    });
    names.flat_map(|(verb, name)| verb.on().iter().map(move |kind| (verb, name, *kind))).collect()
}

#[test]
fn recordings_are_bytes_of_the_wire() {
    let recordings = recordings();
    let of_stack = |stack: &str| recordings.iter().filter(|recording| recording.name.starts_with(stack)).count();
    for stack in
        ["curl", "python_urllib", "python_requests", "node_http", "node_fetch", "java_urlconnection", "java_httpclient"]
    {
        assert!(of_stack(stack) > 0, "no recording of {stack}");
    }
    for Recording { name, text } in &recordings {
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: no end of the head"));
        assert!(!head.replace("\r\n", "").contains('\n'), "{name}: a line ends without CR");
        assert_eq!(text.ends_with('}'), text.contains(": 22\r\n") || text.contains(": 23\r\n"), "{name}");
    }
}

#[tokio::test]
async fn every_stack_is_answered_200_under_every_request_name() {
    let node = Node::acknowledging().await;
    for recording in recordings() {
        for (verb, name, kind) in requests() {
            let target = format!("{}?req={name}", resource(kind).0);
            let answer = node.ask(recording.of(&target)).await;
            assert_eq!(answer.status, 200, "{} {target}: {answer:?}", recording.name);
            let event = format!("{{\"GSW_USER_EVENT\":\"{}Acknowledge\"", verb.name());
            assert!(answer.body.starts_with(&event), "{} {target}: {answer:?}", recording.name);
            let has_result = answer.body.contains("\"GSW_CALL_RESULT\":33");
            assert_eq!(has_result, recording.has_body(), "{} {target}: {answer:?}", recording.name);
        }
    }
}

#[tokio::test]
async fn every_stack_asks_the_node_for_the_request_that_it_names() {
    let mut node = Node::with(configure(), hold).await;
    for recording in recordings() {
        for (verb, name, kind) in requests() {
            let (path, meant) = resource(kind);
            let mut client = node.connect().await;
            client.send(recording.of(&format!("{path}?req={name}"))).await;
            let (_, request) = node.requests.recv().await.unwrap();
            assert_eq!((request.verb, &request.resource), (verb, &meant), "{} {name}", recording.name);
            let result = request.attributes.get("GSW_CALL_RESULT");
            assert_eq!(result, recording.has_body().then_some(&Value::Int(33)), "{} {name}", recording.name);
            assert!(!request.attributes.sent.unknown_form, "{} {name}", recording.name);
        }
    }
}
