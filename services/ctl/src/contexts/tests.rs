//! The file of contexts as text: its place, its faults, and changes that keep the rest.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

const TEXT: &str = "\
# of our team
current = \"prod\"

[contexts.prod]
endpoints = [\"a:7401\", \"b:7401\"] # both data nodes
ca = \"certs/ca.pem\"
cert = \"/etc/ocs/alice.pem\"
key = \"/etc/ocs/alice.key\"
proxies = [\"https://a:8443\"]
token_file = \"prod.token\"

[contexts.dev]
endpoints = [\"127.0.0.1:7401\"]
";

fn file_of(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("contexts.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_file_is_named_by_the_variable_else_lies_below_the_directory_of_configurations() {
    for (set, wanted) in [
        (&[("OCS_CONTEXTS", "x/y.toml"), ("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")][..], Some("x/y.toml")),
        (&[("OCS_CONTEXTS", ""), ("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")], Some("/x/ocs/contexts.toml")),
        (&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")], Some("/h/.config/ocs/contexts.toml")),
        (&[("HOME", "/h")], Some("/h/.config/ocs/contexts.toml")),
        (&[], None),
    ] {
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        assert_eq!(place(variable), wanted.map(PathBuf::from), "{set:?}");
    }
}

#[test]
fn files_of_a_context_count_from_the_directory_of_the_file() {
    let (dir, path) = file_of(TEXT);
    let file = ContextFile::at(path).unwrap();
    assert_eq!(file.current.as_deref(), Some("prod"));
    let prod = file.named("prod").unwrap();
    assert_eq!(prod.endpoints, ["a:7401", "b:7401"]);
    assert_eq!(prod.ca, Some(dir.path().join("certs/ca.pem")));
    assert_eq!(
        (prod.cert.as_deref(), prod.key.as_deref()),
        (Some(Path::new("/etc/ocs/alice.pem")), Some(Path::new("/etc/ocs/alice.key")))
    );
    assert_eq!(prod.token_file, Some(dir.path().join("prod.token")));
    let dev = Context { endpoints: vec!["127.0.0.1:7401".to_owned()], ..Context::default() };
    assert_eq!(file.named("dev"), Ok(&dev));
    let absent = file.named("test").unwrap_err();
    assert_eq!(absent.exit_code(), 2);
    assert!(absent.to_string().contains("no context \"test\": there are dev, prod"), "{absent}");
}

#[test]
fn each_fault_has_its_file_its_line_and_its_key_and_shows_no_value() {
    for (text, wanted) in [
        ("a = [", &["line 1: this is no TOML"][..]),
        ("\ncontext = 1\n", &["line 2: key context: is no key of a file of contexts; there are current, contexts"]),
        ("current = \"p\"\n", &["line 1: key current: names \"p\""]),
        (
            "[contexts.p]\nendpoint = [\"S3\"]\n",
            &["line 2: key contexts.p.endpoint: is no key of a context; there are endpoints,"],
        ),
        (
            "[contexts.p]\nendpoints = \"S3\"\n\nca = 7\n",
            &[
                "line 2: key contexts.p.endpoints: takes an array of texts",
                "line 4: key contexts.p.ca: takes a text in quotes",
            ],
        ),
        ("[contexts.p]\ntoken = \"S3\"\n", &["line 2: key contexts.p.token: a secret stands in a file of its own"]),
        ("contexts.p = \"S3\"\n", &["line 1: key contexts.p: takes a table"]),
        ("[contexts.p]\nca = \"\"\n", &["line 2: key contexts.p.ca: takes a text in quotes that is not empty"]),
    ] {
        let (_dir, path) = file_of(text);
        let fault = ContextFile::at(path.clone()).unwrap_err();
        let lines: Vec<String> = fault.to_string().lines().map(str::to_owned).collect();
        assert_eq!((fault.exit_code(), lines.len()), (2, wanted.len()), "{text}: {fault}");
        for (line, part) in lines.iter().zip(wanted) {
            assert!(line.starts_with(&format!("{}, ", path.display())) && line.contains(part), "{part}: {line}");
            assert!(!line.contains("S3"), "{line}");
        }
    }
}

#[test]
fn a_change_keeps_comments_order_and_other_contexts() {
    let (_dir, path) = file_of(TEXT);
    let file = ContextFile::at(path.clone()).unwrap();
    file.set("prod", &pairs(&[("endpoints", "c:7401, d:7401"), ("token_file", "")])).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let wanted = TEXT
        .replace("[\"a:7401\", \"b:7401\"]", "[\"c:7401\", \"d:7401\"]")
        .replace("token_file = \"prod.token\"\n", "");
    assert_eq!(text, wanted);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = ContextFile::at(path.clone()).unwrap();
    file.make_current(Some("dev")).unwrap();
    assert_eq!(ContextFile::at(path.clone()).unwrap().current.as_deref(), Some("dev"));
    assert!(fs::read_to_string(&path).unwrap().starts_with("# of our team\ncurrent = \"dev\"\n"));
    ContextFile::at(path.clone()).unwrap().remove("dev").unwrap();
    let file = ContextFile::at(path).unwrap();
    assert_eq!((file.current.clone(), file.contexts.len()), (None, 1));
    assert_eq!(file.make_current(Some("dev")).unwrap_err().exit_code(), 2);
    assert_eq!(file.remove("dev").unwrap_err().exit_code(), 2);
}

#[test]
fn the_first_context_makes_the_file_and_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ocs/contexts.toml");
    let file = ContextFile::at(path.clone()).unwrap();
    let absent = file.named("p").unwrap_err().to_string();
    assert!(absent.contains("the file is not there: `ocsctl context set` makes it"), "{absent}");
    let key = dir.path().join("alice.key");
    fs::write(&key, "key").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (key, absent) = (key.to_str().unwrap(), dir.path().join("ca.pem"));
    let values = [("endpoints", "a:7401"), ("key", key), ("ca", absent.to_str().unwrap())];
    let doubts = file.set("p", &pairs(&values)).unwrap();
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(doubts[0].contains("ca.pem: there is no such file yet"), "{doubts:?}");
    assert!(doubts[1].contains("other users can read this private key (mode 0644)"), "{doubts:?}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.trim_start().starts_with("[contexts.p]\nendpoints = [\"a:7401\"]\n"), "{text}");
    assert_eq!(fs::metadata(dir.path().join("ocs")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_wrong_key_value_or_name_changes_nothing() {
    let (_dir, path) = file_of(TEXT);
    for (name, key, value, part) in [
        ("prod", "token", "ocs_1", "token is no key of a context; there are endpoints"),
        ("prod", "endpoints", "a", "`a` is not of the form host:port"),
        ("prod", "endpoints", "a:7401,", "`` is not of the form host:port"),
        ("prod", "proxies", "a:8443", "is not of the form http://host:port or https://host:port"),
        ("prod", "proxies", "https://a:8443/x", "is not of the form"),
        ("my prod", "ca", "ca.pem", "is no name of a context"),
    ] {
        let fault = ContextFile::at(path.clone()).unwrap().set(name, &pairs(&[(key, value)])).unwrap_err();
        assert!(fault.exit_code() == 2 && fault.to_string().contains(part), "{key}={value}: {fault}");
    }
    for (key, value) in
        [("endpoints", "[::1]:7401,http://a:7401"), ("proxies", "http://a,https://[::1]:8443/,https://[::1]")]
    {
        let set = ContextFile::at(path.clone()).unwrap().set("other", &pairs(&[(key, value)]));
        assert_eq!(set, Ok(Vec::new()), "{key}={value}");
    }
    assert!(fs::read_to_string(&path).unwrap().starts_with(TEXT));
}

#[test]
fn an_option_counts_before_the_context_and_the_context_before_the_default() {
    let context = Context {
        endpoints: vec!["a:7401".to_owned()],
        ca: Some("ca.pem".into()),
        proxies: vec!["https://a:8443".to_owned()],
        token_file: Some("t".into()),
        ..Context::default()
    };
    let mut reach = Reach { endpoints: Vec::new(), ca: None, cert: Some("own.pem".into()), key: None, timeout: None };
    let mut proxies = ProxiesArg { proxies: vec![String::new()], token_file: Some("mine".into()) };
    fill_from(&context, &mut reach, Some(&mut proxies));
    assert_eq!(
        (reach.endpoints, reach.ca, reach.cert, reach.key),
        (context.endpoints.clone(), Some("ca.pem".into()), Some("own.pem".into()), None)
    );
    assert_eq!((proxies.proxies, proxies.token_file), (context.proxies.clone(), Some("mine".into())));
    let mut reach =
        Reach { endpoints: vec!["b:1".to_owned()], ca: Some("my.pem".into()), cert: None, key: None, timeout: None };
    fill_from(&context, &mut reach, None);
    assert_eq!((reach.endpoints, reach.ca), (vec!["b:1".to_owned()], Some("my.pem".into())));
}
