//! Compares the acknowledged updates with the list, on every data node. Never trusts one node for the other.
//! Called by `drill` at the end.

use std::collections::HashMap;

use super::prober::{Outcome, Probes, phone};
use crate::{
    cluster::{Cluster, Node},
    export,
    failure::Failure,
    group,
};

/// The result of comparing one node's export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Check {
    /// Acknowledged, and not in the list.
    pub(crate) lost: u64,
    /// Phones that the list holds more than once.
    pub(crate) duplicates: u64,
    /// Of unknown outcome, and in the list.
    pub(crate) unknown_applied: u64,
    /// Rows of the list.
    pub(crate) rows: u64,
}

/// Exports the list from every data node that answers, and takes the worst of each count. The second result names the reason
/// why a node was left out, if any.
pub(crate) async fn run(cluster: &Cluster, list: &str, probes: &Probes) -> Result<(Check, Option<String>), Failure> {
    let group = group::survey(cluster).await;
    let (mut worst, mut left_out): (Option<Check>, Option<Failure>) = (None, None);
    for (seen, _) in group.data_nodes() {
        match phones(cluster, seen.node, list).await {
            Ok(phones) => {
                let here = compare(probes, &phones);
                worst = Some(worst.map_or(here.clone(), |worst| worse(&worst, &here)));
            }
            Err(failure) => left_out = Some(failure),
        }
    }
    match (worst, left_out) {
        (Some(worst), left_out) => Ok((worst, left_out.map(|failure| format!("not checked on every node: {failure}")))),
        (None, Some(failure)) => Err(failure),
        (None, None) => Err(Failure::Unreachable(format!("no data node answers: list {list} was not checked"))),
    }
}

/// The number of times that each phone is in a node's list.
async fn phones(cluster: &Cluster, node: &Node, list: &str) -> Result<HashMap<String, u64>, Failure> {
    let mut export = export::begin_at(cluster, node, list, &["contact_info".to_owned()]).await?;
    let mut phones = HashMap::<String, u64>::new();
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure(&node.address))? {
        for phone in rows.into_iter().filter_map(|row| row.values.into_iter().next()) {
            *phones.entry(phone).or_default() += 1;
        }
    }
    Ok(phones)
}

fn compare(probes: &Probes, phones: &HashMap<String, u64>) -> Check {
    let count = |outcome: Outcome, held: bool| {
        let them = probes.probes.iter().filter(|probe| probe.outcome == outcome);
        them.filter(|probe| phones.contains_key(&phone(probe.number)) == held).count() as u64
    };
    Check {
        lost: count(Outcome::Acked, false),
        duplicates: phones.values().filter(|times| **times > 1).count() as u64,
        unknown_applied: count(Outcome::Unknown, true),
        rows: phones.values().sum(),
    }
}

fn worse(one: &Check, other: &Check) -> Check {
    Check {
        lost: one.lost.max(other.lost),
        duplicates: one.duplicates.max(other.duplicates),
        unknown_applied: one.unknown_applied.max(other.unknown_applied),
        rows: one.rows.max(other.rows),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::drill::prober::Probe;

    #[test]
    fn an_acknowledged_update_must_be_there_exactly_once() {
        let now = Instant::now();
        let probe = |number, outcome| Probe { number, proxy: 0, sent: now, done: now, outcome };
        let acked = |number| probe(number, Outcome::Acked);
        let probes = vec![acked(1), acked(2), acked(3), probe(4, Outcome::Unknown), probe(5, Outcome::Failed(503))];
        let probes = Probes { probes, nodes: vec![None], skipped: 0 };
        let phones = HashMap::from([(phone(1), 1), (phone(2), 2), (phone(4), 1)]);
        let check = compare(&probes, &phones);
        assert_eq!(check, Check { lost: 1, duplicates: 1, unknown_applied: 1, rows: 4 });
    }

    #[test]
    fn of_two_nodes_the_worse_counts() {
        let a = Check { lost: 0, duplicates: 2, unknown_applied: 1, rows: 9 };
        let b = Check { lost: 3, duplicates: 0, unknown_applied: 1, rows: 6 };
        assert_eq!(worse(&a, &b), Check { lost: 3, duplicates: 2, unknown_applied: 1, rows: 9 });
    }
}
