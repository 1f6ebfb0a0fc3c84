//! Command lines that the tool takes, and those that the tool refuses.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_format_may_stand_before_or_after_the_verb() {
    let before = Cli::try_parse_from(["ocsctl", "-o", "json", "status"]).unwrap();
    assert_eq!(before.format.format, Some(Format::Json));
    let after = Cli::try_parse_from(["ocsctl", "status", "-o", "json"]).unwrap();
    let Verb::Status(StatusArgs { check: false, watch: None, format }) = after.verb else { panic!("another verb") };
    assert_eq!(format.format, Some(Format::Json));
}

#[test]
fn an_export_takes_o_for_its_file() {
    let cli = Cli::try_parse_from(["ocsctl", "list", "export", "demo", "-o", "demo.csv"]).unwrap();
    let Verb::List(ListVerb::Export(args)) = cli.verb else { panic!("another verb") };
    assert_eq!(args.output, Some(PathBuf::from("demo.csv")));
}

#[test]
fn a_record_is_named_by_handle_or_by_list_and_record_id() {
    let parses = |words: &[&str]| Cli::try_parse_from([&["ocsctl", "record", "get"], words].concat()).is_ok();
    assert!(parses(&["15"]));
    assert!(!parses(&["0"]));
    let word = Cli::try_parse_from(["ocsctl", "record", "get", "abc"]).unwrap_err().to_string();
    assert!(word.contains("abc is no handle"), "{word}");
    assert!(parses(&["--list", "demo", "--record-id", "7"]));
    assert!(!parses(&[]));
    assert!(!parses(&["--list", "demo"]));
    assert!(!parses(&["15", "--list", "demo", "--record-id", "7"]));
}

#[test]
fn a_timeout_is_a_number_of_seconds() {
    assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
    assert!(seconds("-1").is_err());
    assert!(seconds("soon").is_err());
    assert_eq!(timeout("0.5"), Ok(Duration::from_millis(500)));
    assert!(timeout("0").unwrap_err().contains("no time to wait"));
    let verb = Cli::try_parse_from(["ocsctl", "--timeout", "0", "status"]);
    assert!(verb.unwrap_err().to_string().contains("0 is no time to wait"));
}

#[test]
fn a_validity_is_a_number_of_days_within_a_range_that_is_named() {
    let parse = |words: &[&str]| Cli::try_parse_from([&["ocsctl"], words].concat()).map_err(|fault| fault.to_string());
    for (verb, most) in [
        (&["cert", "ca", "--dir", "d"][..], 7300),
        (&["cert", "node", "a", "--dir", "d"], 3650),
        (&["cert", "operator", "alice", "--dir", "d"], 3650),
    ] {
        let with = |days: &str| parse(&[verb, &["--days", days]].concat());
        assert!(with("1").is_ok() && with(&most.to_string()).is_ok(), "{verb:?}");
        for wrong in ["0", &(most + 1).to_string(), "soon", "-1", "1.5"] {
            let option = format!("--days={wrong}");
            let said = parse(&[verb, &[option.as_str()][..]].concat()).unwrap_err();
            assert!(said.contains(&format!("a certificate is valid for 1 to {most} days")), "{wrong}: {said}");
        }
    }
}

#[test]
fn every_command_of_the_runbooks_is_taken() {
    let runbooks = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let mut commands = 0;
    for entry in std::fs::read_dir(runbooks).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| line.starts_with("ocsctl ")) {
            let words = line.split(" || ").next().unwrap_or_default().split(' ');
            let taken = Cli::try_parse_from(words);
            assert!(taken.is_ok(), "{line}: {:?}", taken.err());
            commands += 1;
        }
    }
    assert!(commands > 80, "{commands} commands");
}

#[test]
fn a_watch_has_a_pause_of_its_own_only_behind_an_equals_sign_and_never_a_check_beside_it() {
    let watch = |words: &[&str]| match Cli::try_parse_from([&["ocsctl", "status"], words].concat()).map(|cli| cli.verb)
    {
        Ok(Verb::Status(args)) => Ok(args.watch),
        Ok(_) => panic!("another verb"),
        Err(fault) => Err(fault.to_string()),
    };
    assert_eq!(watch(&[]), Ok(None));
    assert_eq!(watch(&["--watch"]), Ok(Some(Duration::from_secs(2))));
    assert_eq!(watch(&["--watch=0.5"]), Ok(Some(Duration::from_millis(500))));
    for wrong in [&["--watch=0"][..], &["--watch=soon"], &["--watch", "5"], &["--watch", "--check"]] {
        assert!(watch(wrong).is_err(), "{wrong:?}");
    }
    assert!(watch(&["--watch=0"]).unwrap_err().contains("0.2 to 86400 seconds"));
}

/// The examples below the help of a command and of those under it.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let own = help.lines().map(str::trim).filter(|line| line.starts_with("ocsctl ")).map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(examples)).collect()
}

#[test]
fn every_example_of_the_help_is_taken() {
    let examples = examples(&Cli::command());
    for example in &examples {
        let words = example.split(" > ").next().unwrap_or_default().split(' ');
        let taken = Cli::try_parse_from(words);
        assert!(taken.is_ok(), "{example}: {:?}", taken.err());
    }
    assert!(examples.len() > 10, "{examples:?}");
}

/// The words of all verbs below a command that show a result as JSON, joined by `-`.
fn verbs_with_json(command: &clap::Command, words: &str) -> Vec<String> {
    let mut below = command.get_subcommands().peekable();
    if below.peek().is_none() {
        let shows = command.get_arguments().any(|argument| argument.get_id() == "format");
        return shows.then(|| words.to_owned()).into_iter().collect();
    }
    let joined = |name: &str| if words.is_empty() { name.to_owned() } else { format!("{words}-{name}") };
    below.flat_map(|verb| verbs_with_json(verb, &joined(verb.get_name()))).collect()
}

#[test]
fn every_verb_with_json_has_a_schema_and_no_schema_is_left_over() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsctl-json");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<String> = files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let mut verbs = verbs_with_json(&Cli::command(), "");
    verbs.extend(["status-watch", "error"].map(str::to_owned));
    let missing: Vec<_> = verbs.iter().filter(|verb| !files.contains(verb)).collect();
    let left: Vec<_> = files.iter().filter(|file| !verbs.contains(file)).collect();
    assert!(missing.is_empty() && left.is_empty(), "no file in docs/ocsctl-json: {missing:?}; no such verb: {left:?}");
}
