//! The command line of `wait`: the condition that a script waits for.

use clap::Args;

/// The conditions, for the line about a word that is none.
const CONDITIONS: &str = "primary, ready, replicated, drained=NODE, version=RELEASE, role=NODE:primary, role=NODE:backup or role=NODE:witness";

/// `wait`
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// What to wait for: primary, ready, replicated, drained=NODE, version=RELEASE or role=NODE:ROLE
    ///
    /// primary: some node is confirmed primary.
    ///
    /// ready: every node answers, its start is confirmed by the others, a primary is confirmed, both data nodes have caught up, and
    /// their HTTP front ends run.
    ///
    /// replicated: the updates that are acknowledged now are on the disk of every node, and every data node has applied them.
    ///
    /// drained=NODE: an operator's drain of the node is complete, its last request answered.
    ///
    /// version=RELEASE: every node runs this release.
    ///
    /// role=NODE:ROLE: the node is primary (confirmed), backup or witness.
    #[arg(long = "for", value_name = "CONDITION", value_parser = condition)]
    pub(crate) what: WaitFor,
}

/// See [`WaitArgs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// Some node is confirmed primary.
    Primary,
    /// The group is whole.
    Ready,
    /// Every node has the updates that are acknowledged at the beginning.
    Replicated,
    /// The drain of this node is complete.
    Drained(String),
    /// Every node runs this release.
    Version(String),
    /// This node has this role.
    Role(String, AwaitedRole),
}

/// A role that a node may come to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwaitedRole {
    /// Confirmed primary.
    Primary,
    /// Backup.
    Backup,
    /// Witness.
    Witness,
}

impl AwaitedRole {
    /// As on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Witness => "witness",
        }
    }
}

fn condition(text: &str) -> Result<WaitFor, String> {
    let unknown = || format!("it is none of {CONDITIONS}");
    let (word, value) = text.split_once('=').map_or((text, None), |(word, value)| (word, Some(value)));
    match (word, value.filter(|value| !value.is_empty())) {
        ("primary", None) if value.is_none() => Ok(WaitFor::Primary),
        ("ready", None) if value.is_none() => Ok(WaitFor::Ready),
        ("replicated", None) if value.is_none() => Ok(WaitFor::Replicated),
        ("drained", Some(node)) => Ok(WaitFor::Drained(node.to_owned())),
        ("version", Some(release)) => Ok(WaitFor::Version(release.trim_start_matches('v').to_owned())),
        ("role", Some(value)) => {
            let (node, role) = value.rsplit_once(':').filter(|(node, _)| !node.is_empty()).ok_or_else(unknown)?;
            let roles = [AwaitedRole::Primary, AwaitedRole::Backup, AwaitedRole::Witness];
            let role = roles.into_iter().find(|known| known.word() == role).ok_or_else(unknown)?;
            Ok(WaitFor::Role(node.to_owned(), role))
        }
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_its_form_and_nothing_else_is_one() {
        for (text, met) in [
            ("primary", WaitFor::Primary),
            ("ready", WaitFor::Ready),
            ("replicated", WaitFor::Replicated),
            ("drained=b", WaitFor::Drained("b".into())),
            ("version=v0.1.0", WaitFor::Version("0.1.0".into())),
            ("role=b:backup", WaitFor::Role("b".into(), AwaitedRole::Backup)),
            ("role=a:primary", WaitFor::Role("a".into(), AwaitedRole::Primary)),
        ] {
            assert_eq!(condition(text), Ok(met), "{text}");
        }
        for wrong in [
            "",
            "Primary",
            "primary=",
            "primary=a",
            "drained",
            "drained=",
            "version=",
            "role=a",
            "role=:backup",
            "role=a:leader",
        ] {
            assert!(condition(wrong).unwrap_err().contains("role=NODE:backup"), "{wrong}");
        }
    }
}
