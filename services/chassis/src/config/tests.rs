//! The messages for a wrong configuration, and the precedence of sources.

use std::{io::Write, net::SocketAddr, os::fd::AsRawFd, path::PathBuf};

use serde::Deserialize;

use super::*;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Peer {
    listen: SocketAddr,
    name: String,
    frames_max: u32,
}

impl Default for Peer {
    fn default() -> Self {
        Self { listen: "127.0.0.1:1".parse().unwrap(), name: "x".into(), frames_max: 7 }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Member {
    name: String,
    weight: u8,
}

#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Whole {
    peer: Peer,
    members: Vec<Member>,
}

fn with(file: &str, env: &[(&str, &str)], set: &[&str]) -> Result<Whole, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.toml");
    fs::write(&path, file).unwrap();
    let env = env.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    overrides(set.iter().copied())
        .and_then(|set| load_from(Some(&path), "OCS__", env, set, &[]))
        .map(|(whole, _)| whole)
        .map_err(|error| error.to_string().replace(&format!("{}/", directory.path().display()), ""))
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file_over_the_defaults() {
    let file = "[peer]\nname = \"file\"\nlisten = \"127.0.0.1:2\"\nframes_max = 2\n";
    let env = [("OCS__PEER__LISTEN", "127.0.0.1:3"), ("OCS__PEER__FRAMES_MAX", "3"), ("PATH", "/")];
    let whole = with(file, &env, &["peer.frames_max=4"]).unwrap();
    assert_eq!(whole.peer, Peer { listen: "127.0.0.1:3".parse().unwrap(), name: "file".into(), frames_max: 4 });
    assert_eq!(with("", &[], &[]).unwrap(), Whole::default());
}

#[test]
fn lists_and_ipv6_addresses_can_be_given_in_the_environment() {
    let env = [("OCS__PEER__LISTEN", "[::1]:9"), ("OCS__MEMBERS", "[{name=\"a\",weight=1},{name=\"b\",weight=2}]")];
    let whole = with("", &env, &[]).unwrap();
    assert_eq!(whole.peer.listen, "[::1]:9".parse().unwrap());
    assert_eq!(whole.members[1], Member { name: "b".into(), weight: 2 });
}

/// File, environment, command line, and the beginning of the message.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[test]
fn what_is_wrong_is_said_in_one_line_with_its_place() {
    let cases: &[Case] = &[
        (
            "[peer]\nlisen = 1\n",
            &[],
            &[],
            "t.toml: key peer.lisen: there is no such key: take it out, or use one of listen, name, frames_max",
        ),
        ("[per]\nx = 1\n", &[], &[], "t.toml: key per: there is no such key: take it out, or use one of peer, members"),
        (
            "",
            &[("OCS__PEER__LISEN", "1")],
            &[],
            "the environment: OCS__PEER__LISEN: there is no such key: take it out, or use one of listen, name, frames_max",
        ),
        (
            "",
            &[],
            &["peer.lisen=1"],
            "the command line: key peer.lisen: there is no such key: take it out, or use one of listen, name, frames_max",
        ),
        ("[peer]\nname = 5\n", &[], &[], "t.toml: key peer.name: signed int `5` where a string belongs: quote it"),
        (
            "",
            &[("OCS__PEER__LISTEN", "localhost")],
            &[],
            "the environment: OCS__PEER__LISTEN: invalid socket address syntax",
        ),
        ("[[members]]\nname = \"a\"\n", &[], &[], "t.toml: key members.0.weight: is required and missing: add it"),
        ("[peer]\nname = \n", &[], &[], "t.toml, line 2: not TOML: "),
        ("", &[], &["peer"], "the command line: \"peer\" is not key=value: write it as in peer.listen=127.0.0.1:7301"),
        ("", &[("OCS__", "1")], &[], "the environment: OCS__ names no key: write OCS__TABLE__KEY"),
    ];
    for (file, env, set, expected) in cases {
        let said = with(file, env, set).unwrap_err();
        assert!(said.starts_with(expected) && !said.contains('\n'), "expected: {expected}\n     said: {said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = load_from::<Whole>(Some(Path::new("/nowhere/t.toml")), "OCS__", [], Dict::new(), &[]).unwrap_err();
    assert!(said.to_string().starts_with("/nowhere/t.toml: cannot be read: "), "{said}");
}

#[test]
fn a_pipe_is_read_as_a_file_is_and_named_in_what_is_wrong() {
    let piped = |text: &str| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        let loaded = load_from::<Whole>(Some(&path), "OCS__", [], Dict::new(), &[]).map(|(whole, _)| whole);
        (path.display().to_string(), loaded.map_err(|error| error.to_string()))
    };
    assert_eq!(piped("[peer]\nname = \"a\"\n").1.unwrap().peer.name, "a");
    let (path, refused) = piped("[peer]\nnmae = \"a\"\n");
    let said = refused.unwrap_err();
    assert!(said.starts_with(&format!("{path}: key peer.nmae: ")), "{said}");
}

#[test]
fn a_key_with_a_default_is_empty_where_another_one_is_given_in_its_place() {
    const ALTERNATIVES: [Alternative; 1] = [Alternative { key: "peer.name", instead: "members" }];
    let name = |file: &str, set: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.toml");
        fs::write(&path, file).unwrap();
        let set = overrides(set.iter().copied()).unwrap();
        load_from::<Whole>(Some(&path), "OCS__", [], set, &ALTERNATIVES).unwrap().0.peer.name
    };
    let (members, named) = ("[[members]]\nname = \"a\"\nweight = 1\n", "[peer]\nname = \"x\"\n");
    assert_eq!(name("", &[]), "x", "the default");
    assert_eq!(name(members, &[]), "");
    assert_eq!(name("", &["members=[{name=\"a\",weight=1}]"]), "");
    assert_eq!(name(&format!("{members}{named}"), &[]), "x", "given, though equal to the default");
    assert_eq!(name(members, &["peer.name=y"]), "y");
}

#[test]
fn every_value_has_the_source_that_won() {
    let file =
        "[peer]\nname = \"file\"\nlisten = \"127.0.0.1:2\"\nframes_max = 2\n[[members]]\nname = \"a\"\nweight = 1\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.toml");
    fs::write(&path, file).unwrap();
    let environment = [("OCS__PEER__LISTEN", "127.0.0.1:3"), ("OCS__PEER__FRAMES_MAX", "3")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let set = overrides(["peer.frames_max=4"]).unwrap();
    let (whole, sources) = load_from::<Whole>(Some(&path), "OCS__", environment, set, &[]).unwrap();
    let of = |key| sources.of_key(key);
    assert_eq!(of("peer.name"), Source::File);
    assert_eq!(of("peer.listen"), Source::Environment);
    assert_eq!(of("peer.frames_max"), Source::CommandLine);
    assert_eq!(of("members"), Source::File, "a list is one key");
    assert_eq!(of("peer.unknown"), Source::Default);
    let keys: Vec<String> = values_by_key(&whole).into_keys().collect();
    assert_eq!(keys, ["members", "peer.frames_max", "peer.listen", "peer.name"]);
    let (_, defaults) = load_from::<Whole>(None, "OCS__", [], Dict::new(), &[]).unwrap();
    assert!(keys.iter().all(|key| defaults.of_key(key) == Source::Default), "{defaults:?}");
}
