//! Contexts: named sets of addresses, certificates and a token's file, in a file of the operator (TOML).
//!
//! Never holds a secret, and never shows one: keys and tokens stand in files of their own, which a context names. An option and a
//! variable of the environment always count before a context. Called by `verbs` before a node is asked, and by `context`.

mod edit;
mod reading;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use chassis::private::exposed_secret;

use crate::{
    cli::{Cli, DEFAULT_ENDPOINTS, ProxiesArg, Reach},
    failure::Failure,
    print::visible,
};

/// The variable that names the file.
const FILE: &str = "OCS_CONTEXTS";
/// The variable that names the context.
const NAME: &str = "OCS_CONTEXT";

/// A context; files as paths from the root or from the present directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// Control addresses.
    pub(crate) endpoints: Vec<String>,
    /// The authority.
    pub(crate) ca: Option<PathBuf>,
    /// The operator's certificate.
    pub(crate) cert: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
    /// Base URLs of HTTP front ends.
    pub(crate) proxies: Vec<String>,
    /// A file with an API token.
    pub(crate) token_file: Option<PathBuf>,
}

/// The file of contexts, as read.
#[derive(Debug)]
pub(crate) struct ContextFile {
    /// Where the file is, or would be.
    pub(crate) path: PathBuf,
    /// The context that counts where no other is named.
    pub(crate) current: Option<String>,
    /// By name.
    pub(crate) contexts: BTreeMap<String, Context>,
    text: String,
    exists: bool,
}

impl ContextFile {
    /// Reads the file; a file that is not there has no contexts.
    ///
    /// # Errors
    /// Exit code 2: the file cannot be read, or has faults, a line each with file, line and key.
    pub(crate) fn open() -> Result<Self, Failure> {
        let Some(path) = place(variable) else {
            let line = format!("no place for the file of contexts: set HOME, or {FILE}");
            return Err(Failure::Usage(line));
        };
        Self::at(path)
    }

    fn at(path: PathBuf) -> Result<Self, Failure> {
        let (text, exists) = match fs::read_to_string(&path) {
            Ok(text) => (text, true),
            Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), false),
            Err(error) => return Err(Failure::input(&path, error)),
        };
        let reading::Read { current, contexts } = reading::read(&path, &text)?;
        Ok(Self { path, current, contexts, text, exists })
    }

    /// The context of this name.
    ///
    /// # Errors
    /// Exit code 2: the file has no such context.
    pub(crate) fn named(&self, name: &str) -> Result<&Context, Failure> {
        let absent = || {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let there = match known[..] {
                _ if !self.exists => "the file is not there: `ocsctl context set` makes it".to_owned(),
                [] => "the file has none".to_owned(),
                _ => format!("there are {}", known.join(", ")),
            };
            Failure::Usage(visible(&format!("{}: no context {name:?}: {there}", self.path.display())).into_owned())
        };
        self.contexts.get(name).ok_or_else(absent)
    }

    /// The name of the context in use; none: no option, variable or file names one.
    pub(crate) fn in_use(&self, option: Option<&str>) -> Option<String> {
        asked(option).or_else(|| self.current.clone()).filter(|name| !name.is_empty())
    }
}

/// The name that the option gives, else the variable; an empty name means no context.
fn asked(option: Option<&str>) -> Option<String> {
    option.map(str::to_owned).or_else(|| env::var(NAME).ok())
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// The place of the file: the variable, else below the directory of configurations (XDG base directories), else below HOME.
fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |directory: PathBuf| directory.join("ocs").join("contexts.toml");
    let home = || given("HOME").map(|home| home.join(".config"));
    // a relative path in XDG_CONFIG_HOME does not count, as its specification says
    let configurations = || given("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(home);
    given(FILE).or_else(|| configurations().map(below))
}

/// Fills in the addresses and files that neither an option nor a variable names: from the context in use, else by default.
///
/// # Errors
/// Exit code 2: a fault of the file, or a context that is not there. An empty name of a context leaves the file unread.
pub(crate) fn fill_in(cli: &mut Cli) -> Result<(), Failure> {
    let option = cli.context.context.clone();
    let asked = asked(option.as_deref());
    let has_place = place(variable).is_some();
    if asked.as_deref() != Some("") && (asked.is_some() || has_place) {
        let file = ContextFile::open()?;
        if let Some(name) = file.in_use(option.as_deref()) {
            let context = file.named(&name)?;
            if option.is_some() {
                overrides(context, cli, &name).iter().for_each(|line| eprintln!("ocsctl: {line}"));
            }
            fill_from(context, &mut cli.reach, cli.verb.proxies_mut());
        }
    }
    if cli.reach.endpoints.is_empty() {
        cli.reach.endpoints = DEFAULT_ENDPOINTS.split(',').map(str::to_owned).collect();
    }
    Ok(())
}

fn fill_from(context: &Context, reach: &mut Reach, proxies: Option<&mut ProxiesArg>) {
    if reach.endpoints.is_empty() {
        reach.endpoints.clone_from(&context.endpoints);
    }
    let files = [(&mut reach.ca, &context.ca), (&mut reach.cert, &context.cert), (&mut reach.key, &context.key)];
    for (named, of_context) in files {
        if named.is_none() {
            named.clone_from(of_context);
        }
    }
    let Some(proxies) = proxies else { return };
    if proxies.named().is_empty() {
        proxies.proxies.clone_from(&context.proxies);
    }
    if proxies.token_file.is_none() {
        proxies.token_file.clone_from(&context.token_file);
    }
}

/// Variables that count before keys of the context that an option names: an operator may have forgotten them.
fn overrides(context: &Context, cli: &mut Cli, name: &str) -> Vec<String> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.clone().into_os_string());
    let list = |list: &[String]| (!list.is_empty()).then(|| OsString::from(list.join(",")));
    let mut keys = vec![
        ("OCSCTL_ENDPOINTS", "endpoints", list(&context.endpoints), list(&cli.reach.endpoints)),
        ("OCSCTL_CA", "ca", path(&context.ca), path(&cli.reach.ca)),
        ("OCSCTL_CERT", "cert", path(&context.cert), path(&cli.reach.cert)),
        ("OCSCTL_KEY", "key", path(&context.key), path(&cli.reach.key)),
    ];
    if let Some(proxies) = cli.verb.proxies_mut() {
        keys.push(("OCSCTL_PROXIES", "proxies", list(&context.proxies), list(proxies.named())));
        keys.push(("OCSCTL_TOKEN_FILE", "token_file", path(&context.token_file), path(&proxies.token_file)));
    }
    let by_variable = |(variable, _, of_context, given): &(&str, &str, Option<OsString>, Option<OsString>)| {
        of_context.is_some() && given.is_some() && env::var_os(variable) == *given
    };
    let line =
        |(variable, key, ..): (&str, &str, _, _)| format!("{variable} counts before {key} of the context {name}");
    keys.into_iter().filter(by_variable).map(line).collect()
}

/// The lines about secrets that other users can read: the key of the operator, and the file of the API token.
pub(crate) fn exposed(cli: &mut Cli) -> Vec<String> {
    let token = cli.verb.proxies_mut().and_then(|proxies| proxies.token_file.clone());
    exposed_files(cli.reach.key.as_deref(), token.as_deref())
}

fn exposed_files(key: Option<&Path>, token: Option<&Path>) -> Vec<String> {
    let key = key.and_then(|key| exposed_secret(key, "private key"));
    let token = token.and_then(|token| exposed_secret(token, "API token"));
    key.into_iter().chain(token).collect()
}
