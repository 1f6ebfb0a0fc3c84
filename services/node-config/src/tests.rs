//! The messages that an operator reads for a wrong configuration; and that the sample files tell the truth.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");

fn read(file: &Path) -> Config {
    Config::load(&Args { config: Some(file.to_owned()), ..Args::default() }).unwrap()
}

/// The example with every setting switched on: a line that begins with `#` and no blank is a setting that is off.
fn example_with_everything() -> String {
    let text = fs::read_to_string(format!("{DEPLOY}/ocsd.example.toml")).unwrap();
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[' || first == '"') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(on).collect::<Vec<_>>().join("\n")
}

pub(super) fn good() -> Config {
    read(Path::new(&format!("{DEPLOY}/ocsd.example.toml")))
}

fn problems(config: &Config) -> Vec<String> {
    config.check().err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

/// The only problem of the example with this change.
fn problem(change: impl FnOnce(&mut Config)) -> String {
    let mut config = good();
    change(&mut config);
    let found = problems(&config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].contains('\n'), "{}", found[0]);
    found[0].clone()
}

/// Every `table.key` of a document; a list counts as one key per key of its tables.
fn keys(prefix: &str, value: &toml::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                keys(&key, value, found);
            }
        }
        toml::Value::Array(values) if values.iter().all(toml::Value::is_table) => {
            values.iter().for_each(|value| keys(prefix, value, found));
        }
        _ => drop(found.insert(prefix.to_owned())),
    }
}

#[test]
fn the_example_loads_and_passes_the_check() {
    assert_eq!(problems(&good()), Vec::<String>::new());
}

#[test]
fn the_sample_of_three_machines_makes_sense_on_each_of_them() {
    let samples = ["a", "b", "w"].map(|node| read(Path::new(&format!("{DEPLOY}/three-machines/{node}.toml"))));
    for sample in &samples {
        assert_eq!(sample.check_values(), Ok(()), "{}", sample.node.name);
        assert_eq!(sample.warnings(), [], "{}", sample.node.name);
        assert_eq!(sample.cluster, samples[0].cluster, "the group is the same on all nodes");
        assert_eq!(sample.node.data_dir, Path::new("/var/lib/ocs").join(&sample.node.name), "the unit makes this one");
        assert!(sample.peer.tls.is_some() && sample.control.tls.is_some());
    }
}

#[test]
fn the_example_has_every_key_and_its_default() {
    let written: toml::Value = toml::from_str(&example_with_everything()).unwrap();
    let whole: Config = toml::from_str(&example_with_everything()).expect("it has no key that ocsd does not know");
    let known = toml::Value::try_from(&whole).unwrap();
    let (mut in_file, mut in_code) = Default::default();
    keys("", &written, &mut in_file);
    keys("", &known, &mut in_code);
    assert_eq!(in_file, in_code, "left: the example, right: the code");

    let mut defaults = Config::default();
    defaults.node.name = whole.node.name.clone();
    defaults.cluster.nodes = whole.cluster.nodes.clone();
    (defaults.peer.tls, defaults.control.tls) = (whole.peer.tls.clone(), whole.control.tls.clone());
    defaults.admin.tls = whole.admin.tls.clone();
    defaults.health.listen = whole.health.listen;
    defaults.otlp.ca = whole.otlp.ca.clone();
    defaults.peer.secret_file = whole.peer.secret_file.clone();
    defaults.control.operators = whole.control.operators;
    let proxy = &mut defaults.http_proxy;
    proxy.http_custom_headers = whole.http_proxy.http_custom_headers.clone();
    proxy.program = whole.http_proxy.program.clone();
    (proxy.auth, proxy.certificates) = (whole.http_proxy.auth, whole.http_proxy.certificates.clone());
    assert_eq!(proxy.drain_timeout_ms(), whole.http_proxy.drain_timeout_ms(), "its default is no value of its own");
    proxy.drain_timeout_ms = whole.http_proxy.drain_timeout_ms;
    (proxy.tls_certificate, proxy.tls_key) =
        (whole.http_proxy.tls_certificate.clone(), whole.http_proxy.tls_key.clone());
    (proxy.client_ca, proxy.listeners) = (whole.http_proxy.client_ca.clone(), whole.http_proxy.listeners.clone());
    defaults.rules = whole.rules.clone();
    assert_eq!(whole, defaults, "left: the example, right: the defaults");
    let settings = records::Settings::first(outbound::RULES_NEWEST, "", &[]).unwrap();
    for (key, value) in whole.rules.given() {
        assert_eq!(settings.value(key), Some(value.to_string().as_str()), "rules.{key}");
    }
}

#[test]
fn the_configurations_of_make_run_make_sense_together() {
    let nodes = ["a", "b", "w"].map(|node| read(Path::new(&format!("{DEPLOY}/dev/{node}.toml"))));
    for (place, config) in nodes.iter().enumerate() {
        config.check_values().unwrap();
        assert_eq!(config.number(), u16::try_from(place + 1).ok());
        assert_eq!(config.member().unwrap().peer, config.peer.listen.to_string());
        assert_eq!(config.member().unwrap().control, Some(config.control.listen.to_string()));
        assert_eq!(
            (&config.cluster, &config.rules, &config.raft),
            (&nodes[0].cluster, &nodes[0].rules, &nodes[0].raft)
        );
    }
    let proxies = nodes.each_ref().map(|config| config.proxy().map(|proxy| proxy.listen.as_str()));
    assert_eq!(proxies, [Some("127.0.0.1:8080"), Some("127.0.0.1:8081"), None]);
}

#[test]
fn a_disk_may_be_given_half_a_second_to_a_minute_before_it_counts_as_hanging() {
    assert_eq!(good().node.disk_stall_ms, 3000);
    for wrong in [0, 499, 60_001] {
        let said = problem(|config| config.node.disk_stall_ms = wrong);
        assert_eq!(said, format!("key node.disk_stall_ms: {wrong} is not within 500 and 60000"));
    }
    for right in [500, 60_000] {
        let mut config = good();
        config.node.disk_stall_ms = right;
        assert!(problems(&config).is_empty(), "{right}");
    }
}

#[test]
fn each_mode_wants_its_own_nodes_and_any_other_is_refused_by_name() {
    let said = problem(|config| config.cluster.mode = "solo".into());
    assert_eq!(said, "key cluster.mode: there is no mode \"solo\": use \"witness\", \"three\" or \"pair\"");
    let said = problem(|config| config.cluster.mode = "pair".into());
    assert!(said.starts_with("key cluster.nodes: mode \"pair\" wants 2 nodes of role \"data\" and 0 of"), "{said}");
    let mut three = good();
    three.cluster.mode = "three".into();
    three.cluster.nodes[2].role = MemberRole::Data;
    assert_eq!((problems(&three), three.mode()), (Vec::new(), "three"));
    let mut pair = good();
    pair.cluster.mode = "pair".into();
    pair.cluster.nodes.pop();
    assert_eq!((problems(&pair), pair.mode()), (Vec::new(), "pair"));
}

#[test]
fn a_group_is_two_data_nodes_and_a_witness_with_names_of_their_own() {
    let said = problem(|config| drop(config.cluster.nodes.pop()));
    assert!(said.starts_with("key cluster.nodes: mode \"witness\" wants 2 nodes of role \"data\""), "{said}");
    let said = problem(|config| config.cluster.nodes[1].name = config.cluster.nodes[0].name.clone());
    assert_eq!(said, "key cluster.nodes.1.name: \"a\" is there twice");
    let said = problem(|config| config.cluster.nodes[1].peer = "somewhere".into());
    assert_eq!(said, "key cluster.nodes.1.peer: \"somewhere\" is not host:port");
    let said = problem(|config| config.node.name = "z".into());
    assert_eq!(said, "key node.name: \"z\" is none of cluster.nodes (a, b, w)");
}

#[test]
fn off_loopback_tls_is_required() {
    let said = problem(|config| config.cluster.nodes[1].peer = "10.0.0.2:7301".into());
    assert!(
        said.starts_with("key peer.tls: is required off loopback (node \"b\" is reached at 10.0.0.2:7301)"),
        "{said}"
    );
    let said = problem(|config| config.peer.listen = "0.0.0.0:7301".parse().unwrap());
    assert!(said.starts_with("key peer.tls: is required off loopback (peer.listen is 0.0.0.0:7301)"), "{said}");
    let said = problem(|config| config.control.listen = "[::]:7401".parse().unwrap());
    assert!(said.starts_with("key control.tls: is required off loopback (control.listen is [::]:7401)"), "{said}");
    let said = problem(|config| config.admin.listen = "10.0.0.1:7501".parse().unwrap());
    assert!(said.starts_with("key admin.tls: is required off loopback"), "{said}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_found_by_the_check() {
    let none = PathBuf::from("/nowhere/a.pem");
    let tls = TlsFiles { ca: none.clone(), certificate: none.clone(), key: none };
    let said = problem(|config| config.peer.tls = Some(tls));
    assert!(said.starts_with("key peer.tls: /nowhere/a.pem: cannot be read: "), "{said}");
}

#[test]
fn a_group_is_formed_with_peers_that_know_each_other_and_one_that_was_formed_goes_on() {
    let home = tempfile::TempDir::new().unwrap();
    let mut config = good();
    config.node.data_dir = home.path().join("data");
    let said = |config: &Config| config.check_to_form().map_err(|found| found[0].to_string());
    let refused = said(&config).unwrap_err();
    assert!(refused.starts_with("key peer.secret_file: is required to form a group"), "{refused}");
    assert_eq!(config.check(), Ok(()), "a node that joins, or that is a member, is warned");
    fs::create_dir(&config.node.data_dir).unwrap();
    fs::write(config.node.data_dir.join("ocs-node.toml"), "").unwrap();
    assert_eq!(said(&config), Ok(()), "--bootstrap means nothing to a member");
    config.node.data_dir = home.path().join("other");
    let secret = home.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    config.peer.secret_file = Some(secret);
    assert_eq!(said(&config), Ok(()));
    config.peer.secret_file = Some("/nowhere/secret".into());
    assert!(said(&config).unwrap_err().starts_with("key peer.secret_file: /nowhere/secret: "));
}

#[test]
fn tls_and_a_secret_exclude_each_other() {
    let tls = TlsFiles { ca: "a".into(), certificate: "b".into(), key: "c".into() };
    let mut config = good();
    (config.peer.tls, config.peer.secret_file) = (Some(tls), Some("d".into()));
    let said = config.check_values().unwrap_err()[0].to_string();
    assert_eq!(said, "key peer.secret_file: is for peers without peer.tls: remove one of the two");
}

#[test]
fn numbers_that_cannot_work_are_named() {
    let said = problem(|config| config.raft.election_ticks_max = config.raft.election_ticks_min);
    assert_eq!(said, "key raft.election_ticks_max: must be more than raft.election_ticks_min");
    let said = problem(|config| config.limits.hold_time_ms = config.limits.deadline_ms);
    assert_eq!(said, "key limits.hold_time_ms: must be less than limits.deadline_ms and http_proxy.deadline_ms");
    let said = problem(|config| config.rules.replay_window_ms = Some(60_001));
    assert_eq!(said, "key rules.replay_window_ms: must not be more than 60000");
    let said = problem(|config| config.http_proxy.listen = "8080".into());
    assert!(said.starts_with("key http_proxy.listen: must be host:port"), "{said}");
    let said = problem(|config| config.http_proxy.tls_key = Some("a.key".into()));
    assert_eq!(said, "key http_proxy.tls_certificate: tls_certificate and tls_key belong together");
    let said = problem(|config| config.log.segment_bytes = 1);
    assert!(said.starts_with("key log.segment_bytes: 1 is not within"), "{said}");
    let said = problem(|config| config.control.listen = config.peer.listen);
    assert!(said.ends_with("is peer.listen too: give each its own port"), "{said}");
    let said = problem(|config| config.health.listen = Some(config.admin.listen));
    assert!(said.starts_with("key health.listen: ") && said.contains("is admin.listen too"), "{said}");
    let said = problem(|config| config.logging.filter = "node=loud".into());
    assert!(said.starts_with("key logging.filter: filter \"node=loud\" is not understood"), "{said}");
}

#[test]
fn several_http_ports_take_the_place_of_the_single_one_and_both_at_once_are_refused_in_one_line() {
    const LISTENERS: &str = "http_proxy.listeners=[{listen=\"127.0.0.1:8080\"},{listen=\"127.0.0.1:8081\"}]";
    let load = |set: &[&str]| {
        let set = set.iter().map(|pair| (*pair).to_owned()).collect();
        let config = Some(PathBuf::from(format!("{DEPLOY}/three-machines/a.toml")));
        Config::load(&Args { config, set, ..Args::default() }).unwrap()
    };
    let several = load(&["http_proxy.listen=", LISTENERS]);
    assert_eq!(several.proxy().unwrap().addresses(), "127.0.0.1:8080, 127.0.0.1:8081");
    assert_eq!(several.check_values(), Ok(()));
    let both = load(&["http_proxy.listen=127.0.0.1:8080", LISTENERS]).check_values().unwrap_err();
    let told: Vec<_> = both.iter().filter(|problem| problem.key == "http_proxy.listeners").collect();
    assert!(told.len() == 1 && told[0].to_string().contains("stand beside listen"), "{both:?}");
    let default = Config::load(&Args { set: vec![LISTENERS.to_owned()], ..Args::default() }).unwrap();
    assert_eq!(default.http_proxy.listen, "", "the default counts only without listeners");
    let same = load(&["http_proxy.listen=", &LISTENERS.replace("8081", "8080")]).check_values().unwrap_err();
    assert!(same[0].to_string().ends_with("is http_proxy.listeners.0.listen too: give each its own port"), "{same:?}");
}

#[test]
fn files_that_are_not_there_yet_or_half_renewed_pass_by_themselves_and_a_missing_key_does_not() {
    let none = PathBuf::from("/nowhere/a.pem");
    let mut config = good();
    config.control.tls = Some(TlsFiles { ca: none.clone(), certificate: none.clone(), key: none.clone() });
    (config.http_proxy.tls_certificate, config.http_proxy.tls_key) = (Some(none.clone()), Some(none.clone()));
    let found = config.check().unwrap_err();
    let keys: Vec<_> = found.iter().map(|problem| (problem.key.as_str(), problem.passes)).collect();
    assert_eq!(keys, [("control.tls", true), ("http_proxy.tls_certificate", true)]);
    let mut half = good();
    half.http_proxy.tls_certificate = Some(none);
    assert!(half.check().unwrap_err().iter().all(|problem| !problem.passes));
}

#[test]
fn a_charset_that_is_none_and_a_control_address_of_two_nodes_are_named() {
    let said = problem(|config| config.http_proxy.encoding = "nonsense".into());
    assert!(said.starts_with("key http_proxy.encoding: \"nonsense\" is no charset"), "{said}");
    let mut latin = good();
    latin.http_proxy.encoding = "windows-1252".into();
    assert_eq!(problems(&latin), Vec::<String>::new());
    let same = |config: &mut Config| {
        config.cluster.nodes[0].control = Some("127.0.0.1:7401".into());
        config.cluster.nodes[1].control = Some("127.0.0.1:7401".into());
    };
    let said = problem(same);
    assert_eq!(said, "key cluster.nodes.1.control: 127.0.0.1:7401 is there twice: each node has its own");
}

#[test]
fn a_data_directory_that_is_a_file_and_a_program_that_is_not_there_are_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.clone(), file.join("below")] {
        let said = problem(|config| config.node.data_dir = directory);
        assert!(said.starts_with("key node.data_dir: ") && said.ends_with("name a directory"), "{said}");
    }
    let said = problem(|config| config.http_proxy.program = Some(home.path().join("none")));
    assert!(said.starts_with("key http_proxy.program: ") && said.contains("none: No such file"), "{said}");
    let said = problem(|config| config.http_proxy.program = Some(file));
    assert!(said.contains("it cannot be executed"), "{said}");
    let mut config = good();
    config.http_proxy.program = Some("/bin/sh".into());
    assert_eq!(problems(&config), Vec::<String>::new());
}

#[test]
fn a_wrong_key_is_one_line_with_file_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ocsd.toml");
    fs::write(&file, "[cluster]\nmod = \"witness\"\n").unwrap();
    let said = Config::load(&Args { config: Some(file.clone()), ..Args::default() }).unwrap_err().to_string();
    let expected = format!(
        "{}: key cluster.mod: there is no such key: take it out, or use one of id, mode, upgrade, nodes",
        file.display()
    );
    assert_eq!(said, expected);
}

#[test]
fn the_whole_group_can_be_given_on_the_command_line() {
    let nodes = r#"cluster.nodes=[{name="x",role="data",peer="127.0.0.1:1"},{name="y",role="data",peer="127.0.0.1:2"},{name="z",role="witness",peer="127.0.0.1:3"}]"#;
    let set = vec![nodes.to_owned(), "node.name=z".to_owned()];
    let config = Config::load(&Args { set, ..Args::default() }).unwrap();
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.voters(), [(1, Kind::Data), (2, Kind::Data), (3, Kind::Witness)]);
    assert_eq!(config.number(), Some(3));
}

#[test]
fn a_witness_has_no_http_proxy() {
    let mut config = good();
    assert_eq!(config.proxy(), Some(&config.http_proxy));
    config.node.name = "w".into();
    assert_eq!(config.proxy(), None);
}

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn addresses_are_taken_apart_without_asking_anybody() {
    assert_eq!(address::split("b.example:7301"), Some(("b.example", 7301)));
    assert_eq!(address::split("[::1]:7301"), Some(("::1", 7301)));
    for wrong in ["", "b", "b:", ":1", "b:0", "::1:1", "[::1:1", "b:99999"] {
        assert_eq!(address::split(wrong), None, "{wrong}");
    }
    for outside in ["0.0.0.0:1", "b.example:1", "[::]:1"] {
        assert!(address::is_outside(outside), "{outside}");
    }
    for inside in ["127.9.9.9:1", "[::1]:1", "localhost:1"] {
        assert!(!address::is_outside(inside), "{inside}");
    }
}

#[test]
fn a_schedule_of_backups_needs_an_interval_and_a_place_of_its_own() {
    let scheduled = |every: &str, directory: &str| {
        let (every, directory) = (every.to_owned(), PathBuf::from(directory));
        move |config: &mut Config| config.backup = Backup { every, directory, keep: 3 }
    };
    let fine = |every: &str, directory: &str| {
        let mut config = good();
        scheduled(every, directory)(&mut config);
        problems(&config)
    };
    assert_eq!(fine("24h", "/var/backups/ocs"), Vec::<String>::new());
    assert_eq!(fine("", ""), Vec::<String>::new());
    assert!(problem(scheduled("daily", "/var/backups/ocs")).contains("backup.every: \"daily\" is no duration"));
    assert!(problem(scheduled("24h", "")).contains("backup.directory: is empty"));
    assert!(problem(scheduled("24h", "/var/lib/ocs/backups")).contains("within node.data_dir"));
    assert!(problem(|config| config.backup.keep = 0).contains("backup.keep"));
}

#[test]
fn a_default_of_http_proxy_never_stands_against_a_limit_that_was_written() {
    let load = |set: &[&str]| {
        let set = set.iter().map(|pair| (*pair).to_owned()).collect();
        let config = Some(PathBuf::from(format!("{DEPLOY}/ocsd.example.toml")));
        Config::load(&Args { config, set, ..Args::default() }).unwrap()
    };
    for (set, proxy_ms) in [
        (&[] as &[&str], 15_000),
        (&["limits.drain_timeout_ms=5000"], 5000),
        (&["limits.drain_timeout_ms=60000"], 15_000),
        (&["limits.drain_timeout_ms=60000", "http_proxy.drain_timeout_ms=20000"], 20_000),
    ] {
        let config = load(set);
        assert_eq!((problems(&config), config.http_proxy.drain_timeout_ms()), (Vec::new(), proxy_ms), "{set:?}");
    }
    let written = load(&["limits.drain_timeout_ms=5000", "http_proxy.drain_timeout_ms=6000"]);
    let said = "key http_proxy.drain_timeout_ms: must not be more than limits.drain_timeout_ms";
    assert_eq!(problems(&written), [said]);
    let off = load(&["http_proxy.listen=", "limits.deadline_ms=60000", "limits.hold_time_ms=20000"]);
    assert_eq!(problems(&off), Vec::<String>::new(), "a node without HTTP Proxy has no deadline of HTTP Proxy");
    let held = problem(|config| {
        config.http_proxy.listen.clear();
        config.limits.hold_time_ms = config.limits.deadline_ms;
    });
    assert_eq!(held, "key limits.hold_time_ms: must be less than limits.deadline_ms");
}
