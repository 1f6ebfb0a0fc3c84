//! Declarations: what a file changes in the state, and what the state declares (spec 11).
//!
//! A plan merges the file into the standing declaration, item by item and key by key: what the file does not name is left alone.
//! The merged declaration is then checked as a whole, so that references may lead to new items and to standing ones, and a
//! difference is a comparison of two declarations with all of their values. With `prune`, items that the file does not name go, and
//! fields of the lists of the file; never a list, or a field of a list, that has records, nor the default tenant, a key or an
//! option. Reads, and never writes. Called by the verb ApplyDeclaration, and by the node for the difference and the export.

mod calendars;
mod campaigns;
mod dbids;
mod differences;
mod fields;
mod item;
mod limits;
mod lists;
mod merge;
mod next;
mod options;
mod references;
mod standing;
mod tenants;
mod treatments;
mod zones;

use outbound::{ApplyDeclaration, RULES_WITH_AUDIT, RULES_WITH_CAMPAIGNS, Setting, declaration::Declaration};

pub(crate) use self::next::{Next, NextList};
use self::standing::Standing;
use crate::{lookup, view::View};

/// Items of one kind, at most.
const ITEMS_MAX: usize = 10_000;
/// Faults of a plan, at most.
const FAULTS_MAX: usize = 100;
/// Bytes of everything that is declared beside lists and options, at most: each such change writes them all.
const DECLARED_BYTES_MAX: usize = 1024 * 1024;

/// What a file would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The revision of the state, which the command must carry.
    pub revision: u64,
    /// A line a changed item, as `list "renewals": calendar "" -> "weekdays"`, `+ campaign "Renewals"` or `- treatment "x"`; none:
    /// nothing changes. Empty with faults.
    pub differences: Vec<String>,
    /// Why the file is refused, at most a hundred; none: the file may be applied.
    pub faults: Vec<Fault>,
    /// The rows to write; only without faults.
    pub(crate) next: Next,
}

/// A fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Kind, item and key, as `lists.renewals.calendar`, `campaign_groups.Renewals@Agents.dbid` or `options.reject_pause`.
    pub path: String,
    /// The fault, to be read behind the path.
    pub message: String,
}

/// The faults found so far.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { path: path.into(), message: message.into() });
        }
    }
}

/// The changes of a file on a state, or why the file is refused.
pub fn plan_declaration(view: &impl View, apply: &ApplyDeclaration) -> Plan {
    let standing = Standing::read(view);
    let mut faults = Faults::default();
    let version = lookup::rules_version(view);
    if version < RULES_WITH_CAMPAIGNS {
        let why = format!("needs rules version {RULES_WITH_CAMPAIGNS}, and the group decides by version {version}");
        faults.add("declaration", why);
        return Plan::refused(&standing, faults);
    }
    check_histories(version, &apply.declaration, &mut faults);
    let (declaration, settings) = merged(&standing, apply, &mut faults);
    references::check(&standing, &declaration, &mut faults);
    dbids::check(view, &standing, &declaration, &mut faults);
    if !faults.0.is_empty() {
        return Plan::refused(&standing, faults);
    }
    let differences = differences::between(&standing.declaration, &declaration);
    let next = next::of(&standing, declaration, settings);
    if next.bytes() > DECLARED_BYTES_MAX {
        faults.add("declaration", format!("would have more than {DECLARED_BYTES_MAX} bytes beside lists and options"));
        return Plan::refused(&standing, faults);
    }
    Plan { revision: standing.row.revision, differences, faults: Vec::new(), next }
}

/// Refuses histories of records under a rules version that keeps none.
fn check_histories(version: u32, file: &Declaration, faults: &mut Faults) {
    let keeps = file.lists.iter().filter(|list| list.record_history == Some(true) && version < RULES_WITH_AUDIT);
    for list in keeps {
        let why = format!("needs rules version {RULES_WITH_AUDIT}, and the group decides by version {version}");
        faults.add(format!("lists.{}.record_history", list.name), why);
    }
}

/// The whole declaration, with all values, options and lists included: applied to an empty state, the declaration makes this
/// state; applied to this state, the declaration changes nothing.
pub fn declaration_of(view: &impl View) -> Declaration {
    Standing::read(view).declaration
}

impl Plan {
    fn refused(standing: &Standing, faults: Faults) -> Self {
        let (differences, next) = (Vec::new(), Next::default());
        Self { revision: standing.row.revision, differences, faults: faults.0, next }
    }
}

/// The standing declaration with a file merged into it, its names resolved and its DBIDs given; and the options that change.
fn merged(standing: &Standing, apply: &ApplyDeclaration, faults: &mut Faults) -> (Declaration, Vec<Setting>) {
    let file = &apply.declaration;
    let settings = options::changes(standing, &file.options, faults);
    let mut declaration = merge::all(standing, file, apply.prune, faults);
    declaration.options = options::with(&standing.declaration.options, &settings);
    for subscription in &file.subscriptions {
        let path = format!("subscriptions.{}", subscription.name);
        faults.add(path, "subscriptions come with events, which this release does not have");
    }
    dbids::give(standing, &mut declaration);
    references::resolve(&mut declaration, faults);
    (declaration, settings)
}
