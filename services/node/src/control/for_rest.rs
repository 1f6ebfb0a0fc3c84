//! Orders of operators over the REST interface: the same work as over control, for this node.
//!
//! Never judges a caller: `rest` has. Called through [`NodeOrders`].

use ocs_proto::control::{
    BackupSchedule, HistoryReply, PauseReply, PauseRequest, StatusReply, SwitchoverReply, SwitchoverRequest,
};
use outbound::{Refusal, RefusalCode};
use tokio::time::Instant;

use super::{ControlApi, HISTORY_DEADLINE, data, pause, status, switchover};
use crate::rest::NodeOrders;

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

    async fn switchover(&self, asked: SwitchoverRequest, by: &str) -> SwitchoverReply {
        switchover::switchover(&self.sources.role, asked, by).await
    }

    async fn pause(&self, asked: PauseRequest) -> PauseReply {
        pause::set_paused(&self.sources.role, asked, self.deadline).await
    }

    async fn backups(&self) -> Option<BackupSchedule> {
        self.cluster().await.backups
    }
}
