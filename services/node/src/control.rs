//! The node's API for operators and programs: `ocs.v1.Control`, `grpc.health.v1` and server reflection, over gRPC.
//!
//! Never decides a rule: roles come from `role`, requests go through the native door, rows come from the state's reader. Listens
//! on loopback unless configured; off loopback with mutual TLS, which the creator of the listener has checked.

mod acting;
mod audit;
mod audited;
mod backup;
mod contract;
mod data;
mod declared;
mod do_not_call;
mod for_rest;
mod force;
mod health;
mod mode;
mod pause;
mod port;
mod replace;
mod scheduled;
mod settings;
mod shown_config;
mod starting;
mod status;
mod switchover;
mod tls;
mod tokens;
mod undoing;
mod upgrade;
mod upkeep;

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use chassis::tasks::Tasks;
use consensus::Kind;
use futures::{Stream, StreamExt};
use ocs_proto::{
    control::{
        ApplyDeclarationReply, ApplyDoNotCallReply, AuditEntries, AuditRequest, BackupBytes, ControlGroupReply,
        ControlGroupRequest, CreateBackupRequest, CreateListReply, CreateTokenReply, DeleteListReply,
        DeleteListRequest, DoNotCallEntries, DoNotCallRequest, DrainReply, DrainRequest, EnterDoNotCallReply,
        ExportRequest, ExportRows, ForcePrimaryReply, ForcePrimaryRequest, GetRecordReply, GetRecordRequest,
        GetRoleReply, GetRoleRequest, GiveUpReply, GiveUpRequest, HistoryReply, HistoryRequest, ImportReply,
        ListTokensReply, ListTokensRequest, PauseReply, PauseRequest, PlanDeclarationReply, PreviewImportRequest,
        ProxyRestartReply, ProxyRestartRequest, ReloadReply, ReloadRequest, RemoveDoNotCallReply, RevokeTokenReply,
        ScheduleSwitchoverReply, ScheduleSwitchoverRequest, SetModeReply, SetModeRequest, SetSettingsReply,
        ShowConfigReply, ShowConfigRequest, ShowDeclarationReply, ShowDeclarationRequest, ShowGroupsReply,
        ShowGroupsRequest, ShowListReply, ShowListRequest, ShowSettingsReply, ShowSettingsRequest, StatusReply,
        StatusRequest, SwitchoverReply, SwitchoverRequest, TlsReloadReply, TlsReloadRequest, UpgradeReply,
        UpgradeRequest, VerifyReply, VerifyRequest, WatchRoleRequest,
        control_server::{Control, ControlServer},
    },
    outbound::{
        ApplyDeclaration, ApplyDoNotCall, CreateList, CreateToken, DoNotCallBatch, ImportBatch, RemoveDoNotCall,
        RevokeToken, SetSettings,
    },
};
use pair::Door;
use tokio::time::Instant;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status, metadata::MetadataValue, service::Routes};

use self::acting::{Acting, named, who};
use crate::{
    archive::{Archives, schedule::BackupOrders},
    audit::{Auditor, Order, Who},
    credentials::RefusalCounts,
    metrics::{Imported, Sources},
    operator_orders,
    role::SINGLE_COPY,
    series::Series,
    to_wire,
    upkeep::Upkeep,
};

pub use force::Orders;
pub(crate) use port::ControlPort;
pub(crate) use starting::StartingNode;
pub use status::About;

/// Largest message, both ways (architecture, Limits).
const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// How long the history waits for a quorum before the answer is this node's own knowledge.
const HISTORY_DEADLINE: Duration = Duration::from_secs(2);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The control API of one node. Cheap to clone.
#[derive(Clone)]
pub struct ControlApi {
    /// The parts that answers are read from; without a native door on a witness.
    pub sources: Sources,
    /// Facts that never change while the process runs.
    pub about: Arc<About>,
    /// Gives this node's Raft id up, durably, and then ends the process.
    pub give_up: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// How long a request that changes or reads records may take.
    pub deadline: Duration,
    /// Operator orders that a new start executes.
    pub orders: Orders,
    /// Makes backups of the state; none on a witness.
    pub archives: Option<Archives>,
    /// Makes backups into a directory of this node; none: the configuration names no directory.
    pub backups: Option<BackupOrders>,
    /// Changes need an operator's certificate, and their refusals are counted here; none: any caller may order a change.
    pub operators: Option<Arc<RefusalCounts>>,
    /// Takes orders about the process of this node.
    pub upkeep: Upkeep,
    /// Notes orders that are no commands.
    pub audit: Auditor,
    /// Figures of the last hour and day; a witness keeps none.
    pub series: Series,
}

impl ControlApi {
    /// The services of the port while the node runs, besides health and reflection.
    fn router(self, tasks: &Tasks) -> Router {
        let (long, stopping, operators) = (data::Long::new(tasks), tasks.stopping(), self.operators.clone());
        let control = ControlServer::new(Service { api: self, long, stopping })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let routes = operator_orders::logged(Routes::new(control).prepare().into_axum_router());
        match operators {
            Some(refused) => operator_orders::restricted(routes, refused),
            None => routes,
        }
    }

    /// Notes an order of a caller in the audit, where the answer is one to an order.
    async fn note(&self, who: Who, order: impl Into<Option<Order>>) {
        if let Some(order) = order.into() {
            self.audit.note(who, order).await;
        }
    }

    /// The native door; a witness has none and names the data nodes instead.
    fn door(&self) -> Result<&Arc<Door>, Status> {
        self.sources.api.as_ref().ok_or_else(|| {
            let data = self.sources.role.roster().members().iter().filter(|member| member.kind == Kind::Data);
            let names: Vec<String> = data.map(|member| format!("{} ({})", member.name, member.control)).collect();
            Status::failed_precondition(format!("a witness keeps no records: ask {}", names.join(" or ")))
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }
}

/// The generated trait's implementor: one line a call; the work is in the modules beside.
struct Service {
    api: ControlApi,
    long: data::Long,
    stopping: tokio_util::sync::CancellationToken,
}

impl Service {
    /// The native door, for the orders of a caller.
    fn acting<T>(&self, asked: &Request<T>) -> Result<Acting, Status> {
        Ok(Acting::audited(self.api.door()?.clone(), who(asked.extensions()), self.api.audit.clone()))
    }

    /// Notes an order of a caller in the audit, where the answer is one to an order.
    async fn note(&self, who: Who, order: impl Into<Option<Order>>) {
        self.api.note(who, order).await;
    }

    /// This node's name.
    fn own(&self) -> &str {
        &self.api.sources.role.roster().own().name
    }

    /// Marks an answer about records while updates are on one disk only.
    fn said<T>(&self, reply: T) -> Response<T> {
        let mut response = Response::new(reply);
        if self.api.sources.role.mode() == SINGLE_COPY {
            response.metadata_mut().insert("x-ocs-mode", MetadataValue::from_static(SINGLE_COPY));
        }
        response
    }

    /// Ends a stream when the process stops, so that a watcher does not hold up the drain.
    fn until_stop<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Answers<T> {
        Box::pin(stream.take_until(self.stopping.clone().cancelled_owned()))
    }
}

#[tonic::async_trait]
impl Control for Service {
    type WatchRoleStream = Answers<GetRoleReply>;
    type ExportStream = Answers<ExportRows>;
    type CreateBackupStream = Answers<BackupBytes>;
    type DoNotCallStream = Answers<DoNotCallEntries>;
    type AuditStream = Answers<AuditEntries>;

    async fn get_role(&self, _: Request<GetRoleRequest>) -> Result<Response<GetRoleReply>, Status> {
        let role = &self.api.sources.role;
        Ok(Response::new(role.to_wire(&role.ask().await)))
    }

    async fn watch_role(&self, _: Request<WatchRoleRequest>) -> Result<Response<Self::WatchRoleStream>, Status> {
        let role = self.api.sources.role.clone();
        let views = WatchStream::new(role.watch()).map(move |view| Ok(role.to_wire(&view)));
        Ok(Response::new(self.until_stop(views)))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(status::status(&self.api.sources, &self.api.about).await))
    }

    async fn switchover(&self, asked: Request<SwitchoverRequest>) -> Result<Response<SwitchoverReply>, Status> {
        let (by, who, asked) = (named(asked.extensions()), who(asked.extensions()), asked.into_inner());
        let dry_run = asked.dry_run;
        let reply = switchover::switchover(&self.api.sources.role, asked, &by).await;
        self.note(who, audited::switchover(dry_run, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn schedule_switchover(
        &self,
        asked: Request<ScheduleSwitchoverRequest>,
    ) -> Result<Response<ScheduleSwitchoverReply>, Status> {
        let (who, asked) = (who(asked.extensions()), asked.into_inner());
        Ok(Response::new(scheduled::schedule(&self.api, who, asked).await))
    }

    async fn pause(&self, asked: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        let (who, asked) = (who(asked.extensions()), asked.into_inner());
        let paused = asked.paused;
        let reply = pause::set_paused(&self.api.sources.role, asked, self.api.deadline).await;
        self.note(who, audited::pause(paused, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn upgrade(&self, asked: Request<UpgradeRequest>) -> Result<Response<UpgradeReply>, Status> {
        let (who, asked) = (who(asked.extensions()), asked.into_inner());
        let dry_run = asked.dry_run;
        let reply = upgrade::finalize(&self.api.sources, self.api.deadline, asked).await;
        self.note(who, audited::upgrade(dry_run, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn history(&self, _: Request<HistoryRequest>) -> Result<Response<HistoryReply>, Status> {
        let deadline = Instant::now() + HISTORY_DEADLINE;
        data::history(self.api.door()?, deadline).await.map(Response::new)
    }

    async fn give_up(&self, asked: Request<GiveUpRequest>) -> Result<Response<GiveUpReply>, Status> {
        Ok(Response::new(replace::give_up(&self.api, who(asked.extensions())).await))
    }

    async fn force_primary(&self, asked: Request<ForcePrimaryRequest>) -> Result<Response<ForcePrimaryReply>, Status> {
        let (by, who, asked) = (named(asked.extensions()), who(asked.extensions()), asked.into_inner());
        let dry_run = asked.dry_run;
        let reply = force::force(&self.api.sources.role, &self.api.orders, asked, by).await;
        self.note(who, audited::force_primary(dry_run, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn set_mode(&self, asked: Request<SetModeRequest>) -> Result<Response<SetModeReply>, Status> {
        let (who, asked) = (who(asked.extensions()), asked.into_inner());
        let (configured, mode) = (self.api.orders.mode(), asked.mode.clone());
        let reply = mode::set(&self.api.sources.role, configured, self.api.deadline, asked).await;
        self.note(who, audited::set_mode(&mode, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn create_list(&self, asked: Request<CreateList>) -> Result<Response<CreateListReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = data::create_list(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(CreateListReply { reply: Some(reply) }))
    }

    async fn import(&self, asked: Request<ImportBatch>) -> Result<Response<ImportReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = data::import(&acting, asked.into_inner(), self.api.deadline()).await;
        self.api.sources.imports.add(Imported::List, &reply);
        Ok(self.said(ImportReply { reply: Some(reply) }))
    }

    async fn preview_import(&self, asked: Request<PreviewImportRequest>) -> Result<Response<ImportReply>, Status> {
        let reply = data::preview_import(self.api.door()?, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(ImportReply { reply: Some(reply) }))
    }

    async fn show_list(&self, asked: Request<ShowListRequest>) -> Result<Response<ShowListReply>, Status> {
        let reply = data::show_list(self.api.door()?, &self.long, asked.into_inner(), self.api.deadline()).await;
        reply.map(|reply| self.said(reply))
    }

    async fn export(&self, asked: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let rows = data::export(self.api.door()?, &self.long, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(Box::pin(rows) as Self::ExportStream))
    }

    async fn get_record(&self, asked: Request<GetRecordRequest>) -> Result<Response<GetRecordReply>, Status> {
        let reply = data::get_record(self.api.door()?, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(reply))
    }

    async fn show_settings(&self, _: Request<ShowSettingsRequest>) -> Result<Response<ShowSettingsReply>, Status> {
        let (own, deadline) = (&self.api.sources.role.roster().own().name, Instant::now() + HISTORY_DEADLINE);
        let reply = settings::show(self.api.door()?, own, &self.api.about.options, deadline).await;
        Ok(Response::new(reply))
    }

    async fn set_settings(&self, asked: Request<SetSettings>) -> Result<Response<SetSettingsReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = settings::set(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(SetSettingsReply { reply: Some(reply) }))
    }

    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyReply>, Status> {
        let node = &self.api.sources.role.roster().own().name;
        data::verify(self.api.door()?, &self.long, node).await.map(|reply| self.said(reply))
    }

    async fn delete_list(&self, asked: Request<DeleteListRequest>) -> Result<Response<DeleteListReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = undoing::delete_list(&acting, &self.long, asked.into_inner(), self.api.deadline).await?;
        Ok(self.said(DeleteListReply { reply: Some(reply) }))
    }

    async fn do_not_call(&self, asked: Request<DoNotCallRequest>) -> Result<Response<Self::DoNotCallStream>, Status> {
        let (door, deadline) = (self.api.door()?, self.api.deadline());
        let entries = do_not_call::entries(door, &self.long, asked.into_inner(), deadline).await?;
        Ok(self.said(Box::pin(entries) as Self::DoNotCallStream))
    }

    async fn enter_do_not_call(&self, asked: Request<DoNotCallBatch>) -> Result<Response<EnterDoNotCallReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = do_not_call::enter(&acting, asked.into_inner(), self.api.deadline()).await;
        self.api.sources.imports.add(Imported::DoNotCall, &reply);
        Ok(self.said(EnterDoNotCallReply { reply: Some(reply) }))
    }

    async fn preview_do_not_call(
        &self,
        asked: Request<DoNotCallBatch>,
    ) -> Result<Response<EnterDoNotCallReply>, Status> {
        let reply = do_not_call::preview(self.api.door()?, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(EnterDoNotCallReply { reply: Some(reply) }))
    }

    async fn apply_do_not_call(&self, asked: Request<ApplyDoNotCall>) -> Result<Response<ApplyDoNotCallReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = do_not_call::apply(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(ApplyDoNotCallReply { reply: Some(reply) }))
    }

    async fn remove_do_not_call(
        &self,
        asked: Request<RemoveDoNotCall>,
    ) -> Result<Response<RemoveDoNotCallReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = do_not_call::remove(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(RemoveDoNotCallReply { reply: Some(reply) }))
    }

    async fn plan_declaration(
        &self,
        asked: Request<ApplyDeclaration>,
    ) -> Result<Response<PlanDeclarationReply>, Status> {
        let plan = declared::plan(self.api.door()?, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(plan))
    }

    async fn apply_declaration(
        &self,
        asked: Request<ApplyDeclaration>,
    ) -> Result<Response<ApplyDeclarationReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = declared::apply(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(ApplyDeclarationReply { reply: Some(reply) }))
    }

    async fn show_declaration(
        &self,
        _: Request<ShowDeclarationRequest>,
    ) -> Result<Response<ShowDeclarationReply>, Status> {
        declared::show(self.api.door()?, self.api.deadline()).await.map(|reply| self.said(reply))
    }

    async fn show_groups(&self, asked: Request<ShowGroupsRequest>) -> Result<Response<ShowGroupsReply>, Status> {
        let groups = declared::groups(self.api.door()?, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(groups))
    }

    async fn control_group(&self, asked: Request<ControlGroupRequest>) -> Result<Response<ControlGroupReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = declared::control_group(&acting, asked.into_inner(), self.api.deadline()).await?;
        Ok(self.said(ControlGroupReply { reply: Some(reply) }))
    }

    async fn create_token(&self, asked: Request<CreateToken>) -> Result<Response<CreateTokenReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = tokens::create(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(CreateTokenReply { reply: Some(reply) }))
    }

    async fn list_tokens(&self, _: Request<ListTokensRequest>) -> Result<Response<ListTokensReply>, Status> {
        tokens::list(self.api.door()?, self.api.deadline()).await.map(|reply| self.said(reply))
    }

    async fn revoke_token(&self, asked: Request<RevokeToken>) -> Result<Response<RevokeTokenReply>, Status> {
        let acting = self.acting(&asked)?;
        let reply = tokens::revoke(&acting, asked.into_inner(), self.api.deadline()).await;
        Ok(self.said(RevokeTokenReply { reply: Some(reply) }))
    }

    async fn audit(&self, asked: Request<AuditRequest>) -> Result<Response<Self::AuditStream>, Status> {
        let entries = audit::entries(self.api.door()?, &self.long, asked.into_inner(), HISTORY_DEADLINE).await?;
        Ok(self.said(Box::pin(entries) as Self::AuditStream))
    }

    async fn tls_reload(&self, asked: Request<TlsReloadRequest>) -> Result<Response<TlsReloadReply>, Status> {
        let reply = tls::reload(&self.api.sources.certificates, self.own()).await;
        self.note(who(asked.extensions()), audited::tls_reload(&reply)).await;
        Ok(Response::new(reply))
    }

    async fn create_backup(
        &self,
        asked: Request<CreateBackupRequest>,
    ) -> Result<Response<Self::CreateBackupStream>, Status> {
        let (who, asked) = (who(asked.extensions()), asked.into_inner());
        let (door, archives) = (self.api.door()?, self.api.archives.as_ref());
        let begun = backup::create(door, archives, asked, self.api.deadline()).await;
        let order = audited::backup(self.own(), begun.as_ref().map(|_| ()));
        self.note(who, order).await;
        Ok(self.said(self.until_stop(begun?)))
    }

    async fn reload(&self, asked: Request<ReloadRequest>) -> Result<Response<ReloadReply>, Status> {
        let reply = upkeep::reload(&self.api.upkeep, self.own()).await;
        self.note(who(asked.extensions()), audited::reload(&reply)).await;
        Ok(Response::new(reply))
    }

    async fn proxy_restart(&self, asked: Request<ProxyRestartRequest>) -> Result<Response<ProxyRestartReply>, Status> {
        let reply = upkeep::restart_proxy(&self.api.upkeep, self.own()).await;
        self.note(who(asked.extensions()), audited::proxy_restart(&reply)).await;
        Ok(Response::new(reply))
    }

    async fn drain(&self, asked: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        let (by, who, asked) = (named(asked.extensions()), who(asked.extensions()), asked.into_inner());
        let undo = asked.undo;
        let reply = upkeep::drain(&self.api.upkeep, self.own(), asked, by).await;
        self.note(who, audited::drain(undo, &reply)).await;
        Ok(Response::new(reply))
    }

    async fn show_config(&self, _: Request<ShowConfigRequest>) -> Result<Response<ShowConfigReply>, Status> {
        Ok(Response::new(shown_config::show(&self.api.upkeep, self.own()).await))
    }
}

#[cfg(test)]
mod tests;
