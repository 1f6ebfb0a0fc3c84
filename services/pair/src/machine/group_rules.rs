//! The rules version and the options of the group, as the state has them, for threads that do not read the state: the door stamps
//! every batch with the version, and gives every request id by it.
//!
//! Only the machine writes them, after the state has them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use outbound::{RULES_FIRST, RULES_NEWEST};
use records::Settings;
use tokio::sync::watch;

/// Cheap to clone; all clones show the same values.
#[derive(Debug, Clone)]
pub(super) struct GroupRules(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    version: AtomicU32,
    settings: watch::Sender<Option<Arc<Settings>>>,
}

impl GroupRules {
    pub(super) fn new(settings: Option<&Arc<Settings>>) -> Self {
        let version = AtomicU32::new(version(settings));
        Self(Arc::new(Shown { version, settings: watch::Sender::new(settings.cloned()) }))
    }

    /// Shows these settings from now on, if they differ.
    pub(super) fn show(&self, settings: Option<&Arc<Settings>>) {
        let same = |shown: &Option<Arc<Settings>>| match (shown, settings) {
            (None, None) => true,
            (Some(shown), Some(settings)) => Arc::ptr_eq(shown, settings),
            _ => false,
        };
        if same(&self.0.settings.borrow()) {
            return;
        }
        self.0.version.store(version(settings), Ordering::Release);
        self.0.settings.send_replace(settings.cloned());
    }

    pub(super) fn version(&self) -> u32 {
        self.0.version.load(Ordering::Acquire)
    }

    pub(super) fn settings(&self) -> watch::Receiver<Option<Arc<Settings>>> {
        self.0.settings.subscribe()
    }
}

fn version(settings: Option<&Arc<Settings>>) -> u32 {
    settings.map_or(RULES_FIRST, |settings| settings.rules_version())
}

/// The group decides by rules that this release does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the group decides by rules version {version}, and release {ours} knows {RULES_FIRST} to {RULES_NEWEST}: this node needs \
     release {release} or a later one"
)]
pub struct UnknownRules {
    version: u32,
    release: String,
    ours: &'static str,
}

/// Whether this release can decide by these settings.
pub(super) fn check(settings: Option<&Arc<Settings>>) -> Result<(), UnknownRules> {
    let unknown = settings.filter(|settings| settings.rules_version() > RULES_NEWEST);
    unknown.map_or(Ok(()), |settings| {
        let (version, release) = (settings.rules_version(), settings.release().to_owned());
        Err(UnknownRules { version, release, ours: env!("CARGO_PKG_VERSION") })
    })
}
