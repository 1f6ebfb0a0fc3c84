//! `status` and `role` for a person: a table that fits a terminal, and under it each fact once.
//!
//! Never judges: the nodes name their faults. Called by the verbs through [`GroupView`].

mod colours;

use std::time::Duration;

use super::{BackupsView, GroupView, NodeView, Said, ScheduledSwitchoverView};
use crate::print;

/// How the sentences begin that need no label before them; those of older releases have none of these.
const SENTENCES: [&str; 4] = ["Degraded", "Updates", "Data loss", "Not known"];

/// No promise holds while two nodes hold different histories.
const TWO_HISTORIES: &str = "not known: two nodes hold different histories, and updates may exist on one of them alone; read \
                             two-of-three-lost.md, \"Two histories\", before a node is replaced or gets another disk";

impl GroupView {
    /// `status` for a person: a table, and under it the warnings of each node.
    pub(crate) fn status_table(&self) -> String {
        const HEADERS: [&str; 7] = ["node", "role", "applied", "lag", "http", "uptime", "state"];
        let mut lines = vec![print::table(&HEADERS, self.nodes.iter().map(status_row))];
        lines.extend(self.remarks().iter().map(|line| print::paragraph(line)));
        lines.extend(self.two_lost());
        lines.join("\n")
    }

    /// `role` for a person.
    pub(crate) fn role_table(&self) -> String {
        let table = print::table(&["node", "role", "term", "mode", "primary"], self.nodes.iter().map(role_row));
        let paused = self.said().any(|(_, said)| said.failover_paused);
        let paused = paused.then(|| "automatic failover is paused: `ocsctl resume` ends it".to_owned());
        let report = self.reported.as_ref().filter(|report| report.confirmed);
        let report = report.map(|report| print::paragraph(&sentence(&report.line)));
        [Some(table), paused, report].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    fn said(&self) -> impl Iterator<Item = (&NodeView, &Said)> {
        self.nodes.iter().filter_map(|node| Some((node, node.said.as_ref()?)))
    }

    fn primary(&self) -> Option<&Said> {
        self.nodes.iter().find(|node| Some(&node.node) == self.primary.as_ref())?.said.as_ref()
    }

    fn remarks(&self) -> Vec<String> {
        let facts = [self.of_the_group(), self.versions(), self.addresses(), self.first_end()];
        let mut lines: Vec<String> = facts.into_iter().flatten().collect();
        lines.extend(self.reported.iter().filter(|report| report.confirmed).map(|report| sentence(&report.line)));
        let silent = self.nodes.iter().filter(|node| node.said.is_none());
        lines.extend(silent.map(|node| format!("{}: {}", node.node, node.error.as_deref().unwrap_or("unreachable"))));
        lines.extend(self.starts());
        lines.extend(self.warnings());
        if let Some(primary) = self.primary() {
            lines.extend(primary.deletions.iter().cloned());
            lines.extend(Some(&primary.bringing_up).filter(|words| !words.is_empty()).cloned());
            lines.extend(primary.scheduled_switchover.as_ref().map(ScheduledSwitchoverView::line));
            lines.extend(primary.backups.as_ref().map(last_backup));
            lines.extend(upgrade_line(primary));
            if self.said().all(|(_, said)| said.contradiction.is_empty()) {
                lines.extend(labelled("survives", &primary.survives));
                lines.extend(labelled("would lose an update", &primary.loses));
            } else {
                lines.extend(labelled("survives", TWO_HISTORIES));
            }
        }
        lines
    }

    /// Facts that are the same for all nodes, as the primary or else the newest of the others says.
    fn of_the_group(&self) -> Option<String> {
        let newest = || self.said().map(|(_, said)| said).max_by_key(|said| said.term);
        let said = self.primary().or_else(newest)?;
        Some(format!("term {}, mode {}, committed up to {}", said.term, said.mode, said.commit_index))
    }

    /// The release that every node runs, or that of each while they differ.
    fn versions(&self) -> Option<String> {
        let mut releases: Vec<&str> = self.said().map(|(_, said)| said.version.as_str()).collect();
        releases.retain(|release| !release.is_empty());
        releases.dedup();
        match releases[..] {
            [] => None,
            [release] => Some(format!("version {release}")),
            _ => {
                let of_each = self.said().map(|(node, said)| format!("{} {}", node.node, said.version));
                Some(format!("versions: {}", of_each.collect::<Vec<_>>().join(", ")))
            }
        }
    }

    fn addresses(&self) -> Option<String> {
        let known = self.said().filter(|(_, said)| !said.http_address.is_empty());
        let named: Vec<String> = known.map(|(node, said)| format!("{} {}", node.node, said.http_address)).collect();
        (!named.is_empty()).then(|| format!("HTTP: {}", named.join(", ")))
    }

    /// The certificate that ends first, of all nodes.
    fn first_end(&self) -> Option<String> {
        let all = self.said().flat_map(|(node, said)| said.certificates.iter().map(move |one| (node, one)));
        let (node, first) = all.min_by_key(|(_, one)| one.not_after_s)?;
        Some(format!("certificates: the first ends {} ({}, {})", first.ends, node.node, first.usage))
    }

    /// Why each start waits.
    fn starts(&self) -> Vec<String> {
        let waits = self.said().filter(|(_, said)| !said.starting.is_empty());
        waits.map(|(node, said)| format!("{}: {}", node.node, said.starting)).collect()
    }

    /// Each warning and each advice once, with the nodes that have it where these are not all. The reason why a start waits is no
    /// news.
    fn warnings(&self) -> Vec<String> {
        let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
        for (node, said) in self.said() {
            let lines = said.warnings.iter().chain(&said.advice);
            let news = lines.filter(|warning| !self.is_told(warning) && **warning != said.starting);
            for warning in news {
                match told.iter_mut().find(|(known, _)| *known == warning.as_str()) {
                    Some((_, by)) => by.push(node.node.as_str()),
                    None => told.push((warning.as_str(), vec![node.node.as_str()])),
                }
            }
        }
        let all = self.said().count();
        let line = |(warning, by): (&str, Vec<&str>)| {
            if by.len() == all && all > 1 { warning.to_owned() } else { format!("{}: {warning}", by.join(", ")) }
        };
        told.into_iter().map(line).collect()
    }

    /// Whether another line tells of the same node: the node does not answer here either, or has the same warning, or stands
    /// in the line on survival.
    fn is_told(&self, warning: &str) -> bool {
        let silent =
            |node: &NodeView| node.said.is_none() && warning.starts_with(&format!("{} is unreachable", node.node));
        let short = |node: &NodeView| {
            let of_it = || warning.starts_with(&format!("{} is up, but does not acknowledge", node.node));
            node.said.as_ref().is_some_and(|said| said.disk_short) && of_it()
        };
        let survives = self.primary().is_some_and(|said| said.survives.contains(warning));
        survives || self.nodes.iter().any(|node| silent(node) || short(node))
    }

    /// The way out where no quorum is left.
    fn two_lost(&self) -> Option<String> {
        let alone =
            |said: &Said| !said.confirmed && !said.peers.is_empty() && said.peers.iter().all(|peer| !peer.connected);
        let (node, said) = self.said().find(|(_, said)| alone(said)).filter(|_| self.answered == 1)?;
        let name = &node.node;
        let others: Vec<&str> = said.peers.iter().map(|peer| peer.node.as_str()).collect();
        if self.nodes.len() <= others.len() {
            let others = others.join(" and ");
            let line = format!(
                "The node {name} reaches no other one; {others} may serve all the same. Not every node was asked: name the control addresses \
                 of all of them in --endpoints before anything else is done"
            );
            return Some(print::paragraph(&line));
        }
        if said.role == "witness" {
            let others = others.join(" and ");
            let line = format!(
                "Only the witness {name} answers here, and it reaches no other node. First look at {others} on their own machines: while \
                 they run there, the network is at fault, and they serve without it. Where no data node runs, start one with its disk; \
                 where all those disks are lost, restore a backup (docs/backup.md), since a witness holds no records"
            );
            return Some(print::paragraph(&line));
        }
        let one_of = if others.len() > 1 { "one of " } else { "" };
        let others = others.join(" and ");
        let lines = [
            format!(
                "Only {name} answers here, and no quorum answers it. Start {one_of}{others} with its disk, and updates go on; nothing \
                 is lost."
            ),
            format!("If none can come back, {name} can lead alone:"),
            format!("1. power off or isolate {others}: anything they accept from now on is lost"),
            format!("2. ocsctl backup create FILE --node {name} --stale"),
            format!("3. ocsctl force-primary {name} --dry-run     # what it has, what may be lost"),
            format!("4. ocsctl force-primary {name}               # add --accept-loss if it asks for it"),
            "See docs/two-of-three-lost.md.".to_owned(),
        ];
        Some(lines.map(|line| print::paragraph(&line)).join("\n"))
    }
}

/// With a capital letter first.
fn sentence(line: &str) -> String {
    let mut letters = line.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn labelled(label: &str, text: &str) -> Option<String> {
    let whole = SENTENCES.iter().any(|begin| text.starts_with(begin));
    (!text.is_empty()).then(|| if whole { text.to_owned() } else { format!("{label}: {text}") })
}

/// Which nodes keep the group from the versions of the primary's release.
fn upgrade_line(said: &Said) -> Option<String> {
    let (formats, rules) = (said.formats, said.rules);
    if formats == 0 || formats >= said.formats_known && rules >= said.rules_known {
        return None;
    }
    let now = format!("upgrade: the group goes by formats {formats}, rules {rules}");
    Some(match said.upgrade_waits_for.as_slice() {
        [] => format!(
            "{now}; every node knows newer ones: `ocsctl upgrade finalize`, or ten minutes with upgrade = \"auto\""
        ),
        waits_for => format!("{now}; it waits: {}", waits_for.join("; ")),
    })
}

fn last_backup(backups: &BackupsView) -> String {
    let running = if backups.running { "; one is under way" } else { "" };
    match &backups.last {
        Some(last) => format!(
            "last backup: {}, index {}, {} records, {} MiB, {}{running}",
            last.created,
            last.index,
            last.records,
            last.bytes >> 20,
            last.file
        ),
        None => format!("last backup: none in {} yet{running}", backups.directory),
    }
}

/// The role, marked if unconfirmed; a witness never changes its role.
fn shown_role(said: &Said) -> String {
    if !said.starting.is_empty() {
        return "starting".to_owned();
    }
    let doubtful = !said.confirmed && matches!(said.role, "primary" | "backup");
    if doubtful { format!("{} (unconfirmed)", said.role) } else { said.role.to_owned() }
}

fn state(said: &Said) -> &'static str {
    if !said.starting.is_empty() {
        "starting"
    } else if said.disk_short {
        "up, does not acknowledge"
    } else if said.start == "old" || said.start == "asking" {
        "up, start not confirmed"
    } else if !said.confirmed {
        "up, unconfirmed"
    } else {
        "up"
    }
}

fn status_row(node: &NodeView) -> Vec<String> {
    let Some(said) = &node.said else {
        let blanks = std::iter::repeat_n("-".to_owned(), 5);
        return std::iter::once(node.node.clone()).chain(blanks).chain([node.silence.to_owned()]).collect();
    };
    let witness = said.role == "witness";
    let of_data = |text: String| if witness { "-".to_owned() } else { text };
    vec![
        node.node.clone(),
        said.role.to_owned(),
        of_data(said.applied_index.to_string()),
        said.lag_entries.map_or("-".to_owned(), |lag| lag.to_string()),
        of_data(said.http_proxy.clone()),
        uptime(Duration::from_millis(said.uptime_ms)),
        state(said).to_owned(),
    ]
}

fn role_row(node: &NodeView) -> Vec<String> {
    let Some(said) = &node.said else {
        return vec![node.node.clone(), node.silence.to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    let primary = if said.primary.is_empty() { "-".to_owned() } else { said.primary.clone() };
    vec![node.node.clone(), shown_role(said), said.term.to_string(), said.mode.clone(), primary]
}

/// The two largest units: `3d 4h`, `2m 5s`, `12s`.
fn uptime(up: Duration) -> String {
    let seconds = up.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests;
