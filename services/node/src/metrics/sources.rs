//! Sources of the figures of status and metrics: read, never changed.

use std::sync::Arc;

use consensus::{RaftId, Status};
use data_dir::DiskRoom;
use pair::{Door, DueCounts, PreviewCounts};
use records::ScheduledSwitchoverRow;
use tokio::sync::watch;

use super::ImportCounts;
use crate::{
    archive::schedule::BackupStatus, certificates::Certificates, role::RoleService, scan::ScanStatus,
    supervisor::ProxyStatus,
};

/// The parts of a node that know its figures. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// The role and the peers.
    pub role: RoleService,
    /// The native door; none on a witness.
    pub api: Option<Arc<Door>>,
    /// HTTP Proxy.
    pub proxy: watch::Receiver<ProxyStatus>,
    /// The scan of the state; a witness has none.
    pub scan: watch::Receiver<ScanStatus>,
    /// This node's scheduled backups; a witness makes none.
    pub backups: watch::Receiver<BackupStatus>,
    /// The room on the disk of the data directory.
    pub disk: Arc<DiskRoom>,
    /// Lists that are being deleted, a line each; a witness has none.
    pub deletions: watch::Receiver<Arc<[String]>>,
    /// The certificates in use.
    pub certificates: Certificates,
    /// Batches of imports that this node answered; a witness answers none.
    pub imports: Arc<ImportCounts>,
}

impl Sources {
    /// Nodes whose clock is odd, as far as this node sees; a witness does not check.
    pub fn odd_clocks(&self) -> Vec<RaftId> {
        self.api.as_ref().map(|api| api.engine().odd_clocks().borrow().clone()).unwrap_or_default()
    }

    /// Records in all lists; 0 on a witness.
    pub fn records(&self) -> u64 {
        self.api.as_ref().map_or(0, |api| api.engine().state().records())
    }

    /// The rules version that decides requests; on a witness, which decides none, the group's.
    pub fn rules_version(&self, status: &Status) -> u32 {
        self.api.as_ref().map_or(status.rules_wanted, |api| api.engine().state().rules_version())
    }

    /// Keys of requests that map to no field and were ignored (spec 4); 0 on a witness.
    pub fn ignored_keys(&self) -> u64 {
        self.api.as_ref().map_or(0, |api| api.engine().state().ignored_keys())
    }

    /// Counts of previews; all empty on a witness.
    pub fn preview_counts(&self) -> PreviewCounts {
        self.api.as_ref().map(|api| api.engine().state().preview_counts()).unwrap_or_default()
    }

    /// Counts of records that changed by themselves; all 0 on a witness.
    pub fn due_counts(&self) -> DueCounts {
        self.api.as_ref().map(|api| api.engine().state().due_counts()).unwrap_or_default()
    }

    /// The scheduled switchover, as this node's state has it; a witness has no state.
    pub fn scheduled_switchover(&self) -> Option<ScheduledSwitchoverRow> {
        self.api.as_ref().and_then(|api| api.engine().state().scheduled_switchover())
    }

    /// Requests held now.
    pub fn held_requests(&self) -> u64 {
        self.api.as_ref().map_or(0, |api| api.hold().held().0 as u64)
    }
}
