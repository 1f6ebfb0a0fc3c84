//! Orders of operators over the REST interface: the same work as over control, for this node.
//!
//! Never judges a caller: `rest` has. Called through [`NodeOrders`].

use ocs_proto::{
    control::{
        BackupSchedule, HistoryReply, PauseReply, PauseRequest, ScheduleSwitchoverReply, ScheduleSwitchoverRequest,
        StatusReply, SwitchoverReply, SwitchoverRequest,
    },
    link::{ApiSeries, ApiSeriesRequest},
};
use outbound::{Refusal, RefusalCode};
use tokio::time::Instant;

use super::{ControlApi, HISTORY_DEADLINE, audited, backup, data, pause, scheduled, status, switchover};
use crate::{audit::Who, rest::NodeOrders};

#[tonic::async_trait]
impl NodeOrders for ControlApi {
    async fn cluster(&self) -> StatusReply {
        status::status(&self.sources, &self.about).await
    }

    async fn history(&self) -> Result<HistoryReply, Refusal> {
        let refusal = |status: tonic::Status| Refusal::new(RefusalCode::Unavailable, status.message());
        let door = self.door().map_err(refusal)?;
        data::history(door, Instant::now() + HISTORY_DEADLINE).await.map_err(refusal)
    }

    async fn switchover(&self, asked: SwitchoverRequest, by: &str, who: Who) -> SwitchoverReply {
        let dry_run = asked.dry_run;
        let reply = switchover::switchover(&self.sources.role, asked, by).await;
        self.note(who, audited::switchover(dry_run, &reply)).await;
        reply
    }

    async fn schedule_switchover(&self, asked: ScheduleSwitchoverRequest, who: Who) -> ScheduleSwitchoverReply {
        scheduled::schedule(self, who, asked).await
    }

    async fn pause(&self, asked: PauseRequest, who: Who) -> PauseReply {
        let paused = asked.paused;
        let reply = pause::set_paused(&self.sources.role, asked, self.deadline).await;
        self.note(who, audited::pause(paused, &reply)).await;
        reply
    }

    async fn backups(&self) -> Option<BackupSchedule> {
        status::schedule(self.sources.backups.borrow().clone())
    }

    fn series(&self, asked: &ApiSeriesRequest) -> ApiSeries {
        self.series.answer(asked)
    }

    async fn make_backup(&self, at_primary: bool, who: Who) -> Result<BackupSchedule, Refusal> {
        let begun = backup::make(self, at_primary).await;
        let node = &self.sources.role.roster().own().name;
        let order = audited::made_backup(node, begun.as_ref().err());
        self.note(who, order).await;
        begun?;
        let none = || Refusal::new(RefusalCode::Conflict, "this node has no directory for backups");
        self.backups().await.ok_or_else(none)
    }
}
