//! The control API of the stand-ins: what both nodes answer from their shared state.

use std::sync::{Arc, Mutex};

use chassis::tasks::{AtEnd, Tasks};
use ocs_proto::{
    control::{control_server::ControlServer, *},
    outbound::{
        ApplyDeclaration, ApplyDoNotCall, Attribute, CreateList, CreateToken, DoNotCallBatch, Done, ImportBatch,
        RemoveDoNotCall, RevokeToken, SetSettings, Setting, Value, reply::Body, value,
    },
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Server, ServerTlsConfig},
};

use super::{DoubleState, declarations, entries, lists, refused, reply, tokens};

struct Node {
    name: &'static str,
    state: Arc<Mutex<DoubleState>>,
}

/// Serves the control API of a node; answers its address.
pub(super) async fn start(
    name: &'static str,
    tls: Option<ServerTlsConfig>,
    state: &Arc<Mutex<DoubleState>>,
    tasks: &Tasks,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (node, stopping) = (Node { name, state: state.clone() }, tasks.stopping());
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let server = server.add_service(ControlServer::new(node));
    tasks.spawn("control", AtEnd::Quiet, async move {
        let connections = TcpListenerStream::new(listener);
        server.serve_with_incoming_shutdown(connections, stopping.cancelled_owned()).await.unwrap();
    });
    address
}

/// A schedule with a backup that was made, and another one that was not.
fn backups() -> BackupSchedule {
    let (last, missed) = (BackupMade::default(), BackupMissed { at_us: 1, reason: "disk full".to_owned() });
    BackupSchedule { last: Some(last), last_failure: Some(missed), failures: 1, ..BackupSchedule::default() }
}

type Stream<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

fn stream<T>(messages: Vec<T>) -> Response<Stream<T>> {
    let messages: Vec<Result<T, Status>> = messages.into_iter().map(Ok).collect();
    Response::new(tokio_stream::iter(messages))
}

impl Node {
    fn role(&self) -> GetRoleReply {
        let (primary, failover_paused, raft_id, unconfirmed) = {
            let state = self.state.lock().unwrap();
            let raft_id = if state.replaced { 0x1_0002 } else { 2 };
            (state.primary.clone(), state.paused, raft_id, state.unconfirmed && self.name == "a")
        };
        let role = if primary == self.name { Role::Primary } else { Role::Backup };
        let peer = if self.name == "a" { "b" } else { "a" };
        let lag = PeerLag {
            node: peer.to_owned(),
            connected: true,
            voter: true,
            raft_id,
            lag_entries: Some(0),
            unconfirmed,
            ..PeerLag::default()
        };
        let (node, mode) = (self.name.to_owned(), "witness".to_owned());
        GetRoleReply {
            role: role.into(),
            confirmed: true,
            term: 3,
            node,
            mode,
            primary,
            peers: vec![lag],
            failover_paused,
        }
    }
}

#[tonic::async_trait]
impl control_server::Control for Node {
    type WatchRoleStream = Stream<GetRoleReply>;
    type ExportStream = Stream<ExportRows>;
    type CreateBackupStream = Stream<BackupBytes>;
    type DoNotCallStream = Stream<DoNotCallEntries>;
    type AuditStream = Stream<AuditEntries>;

    async fn get_role(&self, _: Request<GetRoleRequest>) -> Result<Response<GetRoleReply>, Status> {
        Ok(Response::new(self.role()))
    }

    async fn watch_role(&self, _: Request<WatchRoleRequest>) -> Result<Response<Self::WatchRoleStream>, Status> {
        Ok(stream(vec![self.role()]))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        let (pid, http_proxy) = (std::process::id(), "running".to_owned());
        let asking = self.name == "b" && self.state.lock().unwrap().unconfirmed;
        let start = if asking { "asking: 1: no answer" } else { "confirmed" }.to_owned();
        let warning = self.state.lock().unwrap().warning_of_b.clone().filter(|_| self.name == "b");
        let warnings = warning.into_iter().collect();
        let role = Some(self.role());
        let http_address = self.state.lock().unwrap().http_addresses[usize::from(self.name == "b")].clone();
        let (https, full) = {
            let state = self.state.lock().unwrap();
            (state.https, state.full)
        };
        let certificate = |usage: &str| CertificateInfo { usage: usage.to_owned(), ..CertificateInfo::default() };
        let uses = [("http", https), ("peer", full)].into_iter().filter(|(_, is_there)| *is_there);
        Ok(Response::new(StatusReply {
            role,
            pid,
            http_proxy,
            http_address,
            start,
            warnings,
            certificates: uses.map(|(usage, _)| certificate(usage)).collect(),
            backups: full.then(backups),
            scheduled_switchover: self.state.lock().unwrap().scheduled.clone(),
            ..StatusReply::default()
        }))
    }

    async fn force_primary(&self, _: Request<ForcePrimaryRequest>) -> Result<Response<ForcePrimaryReply>, Status> {
        let may = self.state.lock().unwrap().may_be_forced;
        let reason = if may { "dry run: it would lead" } else { "a quorum answers this node: use `ocsctl switchover`" };
        let reason = reason.to_owned();
        let fence = vec!["b".to_owned(), "w".to_owned()];
        Ok(Response::new(ForcePrimaryReply {
            node: self.name.to_owned(),
            reason,
            last_index: 120,
            fence,
            ..Default::default()
        }))
    }

    async fn set_mode(&self, request: Request<SetModeRequest>) -> Result<Response<SetModeReply>, Status> {
        let (mode, missing) = (request.into_inner().mode, vec!["witness w has not joined yet".to_owned()]);
        Ok(Response::new(SetModeReply { done: mode == "witness", mode, missing, ..Default::default() }))
    }

    async fn switchover(&self, request: Request<SwitchoverRequest>) -> Result<Response<SwitchoverReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let node = if self.name == "a" { "b" } else { "a" }.to_owned();
        let (done, reason) = (!state.no_candidate, if state.no_candidate { "1200 entries behind" } else { "" });
        let candidate = Candidate { node: node.clone(), eligible: done, reason: reason.to_owned() };
        let done = done && !request.into_inner().dry_run;
        if done {
            state.primary = node.clone();
        }
        let (from, reason) = (self.name.to_owned(), "nobody can take over".to_owned());
        let reply = SwitchoverReply { done, from, to: node, duration_ms: 3, candidates: vec![candidate], reason };
        Ok(Response::new(reply))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let done = state.primary == self.name;
        if done {
            state.paused = request.into_inner().paused;
        }
        let reason = if done { String::new() } else { format!("{} is not the primary", self.name) };
        Ok(Response::new(PauseReply { done, reason }))
    }

    async fn upgrade(&self, _: Request<UpgradeRequest>) -> Result<Response<UpgradeReply>, Status> {
        let reply = self.state.lock().unwrap().upgrade.clone();
        reply.map(Response::new).ok_or_else(|| Status::unimplemented(""))
    }

    async fn history(&self, _: Request<HistoryRequest>) -> Result<Response<HistoryReply>, Status> {
        let entry =
            HistoryEntry { to: "a".to_owned(), term: 3, reason: "formed".to_owned(), ..HistoryEntry::default() };
        Ok(Response::new(HistoryReply { entries: vec![entry], confirmed: true }))
    }

    async fn schedule_switchover(
        &self,
        request: Request<ScheduleSwitchoverRequest>,
    ) -> Result<Response<ScheduleSwitchoverReply>, Status> {
        let (mut state, asked) = (self.state.lock().unwrap(), request.into_inner());
        let known = state.scheduled.clone();
        let reply = |done, reason: &str, scheduled| {
            let (reason, candidates) = (reason.to_owned(), Vec::new());
            Response::new(ScheduleSwitchoverReply { done, reason, candidates, scheduled, absent: false })
        };
        Ok(match (asked.cancel, known) {
            (true, None) => reply(false, "No switchover is scheduled", None),
            (true, known) => {
                state.scheduled = None;
                reply(true, "", known)
            }
            (false, Some(known)) => reply(false, "A switchover is scheduled already", Some(known)),
            (false, None) if asked.dry_run => reply(false, "dry run: would hand over to b", None),
            (false, None) => {
                let (at_s, to) = (asked.at_s, asked.to);
                state.scheduled = Some(ScheduledSwitchover { at_s, to, ..ScheduledSwitchover::default() });
                reply(true, "", state.scheduled.clone())
            }
        })
    }

    async fn tls_reload(&self, _: Request<TlsReloadRequest>) -> Result<Response<TlsReloadReply>, Status> {
        let fault = self.state.lock().unwrap().certificate_fault.clone();
        let fault = if self.name == "b" { fault } else { String::new() };
        let certificate = CertificateInfo {
            usage: "peer".to_owned(),
            not_after_s: 2_000_000_000,
            changed: fault.is_empty(),
            fault,
            ..CertificateInfo::default()
        };
        Ok(Response::new(TlsReloadReply { node: self.name.to_owned(), certificates: vec![certificate] }))
    }

    async fn create_backup(
        &self,
        _: Request<CreateBackupRequest>,
    ) -> Result<Response<Self::CreateBackupStream>, Status> {
        let bytes = self.state.lock().unwrap().backup.clone();
        let parts = bytes.chunks(100).map(|data| BackupBytes { data: data.to_vec() });
        Ok(stream(parts.collect()))
    }

    async fn reload(&self, _: Request<ReloadRequest>) -> Result<Response<ReloadReply>, Status> {
        let mut state = self.state.lock().unwrap();
        state.upkeep.push(format!("reload {}", self.name));
        let faults: Vec<String> = state.fault_of_b.clone().filter(|_| self.name == "b").into_iter().collect();
        let changes = if faults.is_empty() { vec!["key logging.filter: counts now".to_owned()] } else { Vec::new() };
        Ok(Response::new(ReloadReply { node: self.name.to_owned(), done: faults.is_empty(), faults, changes }))
    }

    async fn proxy_restart(&self, _: Request<ProxyRestartRequest>) -> Result<Response<ProxyRestartReply>, Status> {
        let mut state = self.state.lock().unwrap();
        state.upkeep.push(format!("restart {}", self.name));
        let (node, reason) = (self.name.to_owned(), state.fault_of_b.clone().filter(|_| self.name == "b"));
        Ok(Response::new(ProxyRestartReply {
            done: reason.is_none(),
            reason: reason.unwrap_or_default(),
            node,
            http_address: "127.0.0.1:8080".to_owned(),
            http_proxy_pid: "7".to_owned(),
        }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let undo = request.into_inner().undo;
        state.upkeep.push(format!("{} {}", if undo { "undo" } else { "drain" }, self.name));
        let reason = state.fault_of_b.clone().filter(|_| self.name == "b").unwrap_or_default();
        Ok(Response::new(DrainReply { done: reason.is_empty(), reason, node: self.name.to_owned() }))
    }

    /// Two keys, an address of its own and one that the nodes share.
    async fn show_config(&self, _: Request<ShowConfigRequest>) -> Result<Response<ShowConfigReply>, Status> {
        let state = self.state.lock().unwrap();
        let is_b = self.name == "b";
        let hold_time_ms = state.hold_time_ms_of_b.filter(|_| is_b).unwrap_or(5000).to_string();
        let key = |key: &str, value: String, source: &str| ConfigKey {
            key: key.to_owned(),
            value,
            source: source.to_owned(),
        };
        let keys = vec![
            key("control.listen", format!("\"{}:7401\"", self.name), "file"),
            key("limits.hold_time_ms", hold_time_ms, "default"),
        ];
        Ok(Response::new(ShowConfigReply {
            node: self.name.to_owned(),
            witness: false,
            file: format!("/etc/ocs/{}.toml", self.name),
            keys,
            pending: if is_b { state.pending_of_b.clone() } else { Vec::new() },
            faults: state.fault_of_b.clone().filter(|_| is_b).into_iter().collect(),
        }))
    }

    /// The other node is taken in at once.
    async fn give_up(&self, _: Request<GiveUpRequest>) -> Result<Response<GiveUpReply>, Status> {
        let mut state = self.state.lock().unwrap();
        (state.replaced, state.unconfirmed) = (true, false);
        Ok(Response::new(GiveUpReply { done: true, reason: String::new() }))
    }

    async fn create_list(&self, request: Request<CreateList>) -> Result<Response<CreateListReply>, Status> {
        let reply = lists::create(&mut self.state.lock().unwrap(), request.into_inner());
        Ok(Response::new(CreateListReply { reply }))
    }

    async fn import(&self, request: Request<ImportBatch>) -> Result<Response<ImportReply>, Status> {
        let reply = lists::import(&mut self.state.lock().unwrap(), request.into_inner());
        Ok(Response::new(ImportReply { reply }))
    }

    async fn preview_import(&self, request: Request<PreviewImportRequest>) -> Result<Response<ImportReply>, Status> {
        let reply = lists::preview(&self.state.lock().unwrap(), request.into_inner());
        Ok(Response::new(ImportReply { reply }))
    }

    async fn show_list(&self, _: Request<ShowListRequest>) -> Result<Response<ShowListReply>, Status> {
        let lists = lists::show(&mut self.state.lock().unwrap());
        Ok(Response::new(ShowListReply { lists }))
    }

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let rows = lists::export(&self.state.lock().unwrap(), request.into_inner())?;
        Ok(stream(rows))
    }

    async fn delete_list(&self, request: Request<DeleteListRequest>) -> Result<Response<DeleteListReply>, Status> {
        let reply = lists::delete(&mut self.state.lock().unwrap(), request.into_inner());
        Ok(Response::new(DeleteListReply { reply }))
    }

    async fn create_token(&self, request: Request<CreateToken>) -> Result<Response<CreateTokenReply>, Status> {
        let reply = tokens::create(&mut self.state.lock().unwrap(), request.into_inner())?;
        Ok(Response::new(CreateTokenReply { reply }))
    }

    async fn list_tokens(&self, _: Request<ListTokensRequest>) -> Result<Response<ListTokensReply>, Status> {
        let state = self.state.lock().unwrap();
        Ok(Response::new(ListTokensReply { tokens: tokens::list(&state), unconfirmed: state.no_quorum }))
    }

    async fn revoke_token(&self, request: Request<RevokeToken>) -> Result<Response<RevokeTokenReply>, Status> {
        let reply = tokens::revoke(&mut self.state.lock().unwrap(), &request.into_inner().id)?;
        Ok(Response::new(RevokeTokenReply { reply }))
    }

    /// A message for each row, behind one without rows.
    async fn audit(&self, request: Request<AuditRequest>) -> Result<Response<Self::AuditStream>, Status> {
        let mut state = self.state.lock().unwrap();
        state.audit_asked.push(request.into_inner());
        let first = AuditEntries { entries: Vec::new(), confirmed: !state.audit_unconfirmed };
        let more = state.audit.iter().map(|entry| AuditEntries { entries: vec![entry.clone()], confirmed: false });
        Ok(stream(std::iter::once(first).chain(more).collect()))
    }

    async fn do_not_call(&self, request: Request<DoNotCallRequest>) -> Result<Response<Self::DoNotCallStream>, Status> {
        let entries = entries::find(&self.state.lock().unwrap(), &request.into_inner())?;
        Ok(stream(entries))
    }

    async fn remove_do_not_call(
        &self,
        request: Request<RemoveDoNotCall>,
    ) -> Result<Response<RemoveDoNotCallReply>, Status> {
        let reply = entries::take_back(&mut self.state.lock().unwrap(), &request.into_inner())?;
        Ok(Response::new(RemoveDoNotCallReply { reply }))
    }

    async fn enter_do_not_call(
        &self,
        request: Request<DoNotCallBatch>,
    ) -> Result<Response<EnterDoNotCallReply>, Status> {
        let reply = entries::enter(&mut self.state.lock().unwrap(), request.into_inner(), true);
        Ok(Response::new(EnterDoNotCallReply { reply }))
    }

    async fn preview_do_not_call(
        &self,
        request: Request<DoNotCallBatch>,
    ) -> Result<Response<EnterDoNotCallReply>, Status> {
        let reply = entries::enter(&mut self.state.lock().unwrap(), request.into_inner(), false);
        Ok(Response::new(EnterDoNotCallReply { reply }))
    }

    async fn apply_do_not_call(
        &self,
        request: Request<ApplyDoNotCall>,
    ) -> Result<Response<ApplyDoNotCallReply>, Status> {
        let reply = entries::apply(&self.state.lock().unwrap(), &request.into_inner());
        Ok(Response::new(ApplyDoNotCallReply { reply }))
    }

    async fn show_settings(&self, _: Request<ShowSettingsRequest>) -> Result<Response<ShowSettingsReply>, Status> {
        let settings = vec![self.state.lock().unwrap().replay_window()];
        let (node, rules_version) = (self.name.to_owned(), 2);
        Ok(Response::new(ShowSettingsReply { node, rules_version, replicated: true, settings, confirmed: true }))
    }

    /// Knows one option.
    async fn set_settings(&self, request: Request<SetSettings>) -> Result<Response<SetSettingsReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let asked = request.into_inner().settings.remove(0);
        if asked.key != "replay_window_ms" {
            let reply = refused("BAD_VALUE", &format!("{} is no option of the rules", asked.key));
            return Ok(Response::new(SetSettingsReply { reply }));
        }
        let pair = |setting: Setting| {
            let value = Some(Value { kind: Some(value::Kind::Str(setting.value)) });
            Attribute { key: setting.key, value }
        };
        let attributes = vec![pair(state.replay_window()), pair(asked.clone())];
        state.replay_window_ms = asked.value;
        let done = Done { event: "SettingsSet".to_owned(), attributes, records: None };
        Ok(Response::new(SetSettingsReply { reply: reply(Body::Done(done)) }))
    }

    async fn get_record(&self, _: Request<GetRecordRequest>) -> Result<Response<GetRecordReply>, Status> {
        let none = || GetRecordReply {
            reply: refused("RECORD_NOT_FOUND", "There is no record 15"),
            ..GetRecordReply::default()
        };
        Ok(Response::new(self.state.lock().unwrap().record.clone().unwrap_or_else(none)))
    }

    async fn plan_declaration(
        &self,
        request: Request<ApplyDeclaration>,
    ) -> Result<Response<PlanDeclarationReply>, Status> {
        let plan = declarations::plan(&mut self.state.lock().unwrap(), request.into_inner())?;
        Ok(Response::new(plan))
    }

    async fn apply_declaration(
        &self,
        request: Request<ApplyDeclaration>,
    ) -> Result<Response<ApplyDeclarationReply>, Status> {
        let reply = declarations::apply(&mut self.state.lock().unwrap(), request.into_inner())?;
        Ok(Response::new(ApplyDeclarationReply { reply }))
    }

    async fn show_declaration(
        &self,
        _: Request<ShowDeclarationRequest>,
    ) -> Result<Response<ShowDeclarationReply>, Status> {
        let state = self.state.lock().unwrap();
        let (revision, declaration) = (state.revision, Some(state.declared.clone()));
        Ok(Response::new(ShowDeclarationReply { revision, declaration }))
    }

    async fn show_groups(&self, request: Request<ShowGroupsRequest>) -> Result<Response<ShowGroupsReply>, Status> {
        let (group, mut groups) = (request.into_inner().group, self.state.lock().unwrap().groups.clone());
        groups.retain(|one| group.is_empty() || one.name == group || one.dbid.to_string() == group);
        if groups.is_empty() && !group.is_empty() {
            return Err(Status::not_found(format!("There is no campaign group {group:?}")));
        }
        Ok(Response::new(ShowGroupsReply { groups }))
    }

    async fn control_group(
        &self,
        request: Request<ControlGroupRequest>,
    ) -> Result<Response<ControlGroupReply>, Status> {
        let asked = request.into_inner();
        let event = match asked.request.as_str() {
            "StartDialing" => "DialingStarted",
            "StopDialing" => "DialingStopped",
            "LoadCampaign" => "CampaignLoaded",
            _ => "CampaignUnloaded",
        };
        self.state.lock().unwrap().controlled.push(asked);
        let done = Done { event: event.to_owned(), attributes: Vec::new(), records: None };
        Ok(Response::new(ControlGroupReply { reply: reply(Body::Done(done)) }))
    }

    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyReply>, Status> {
        let b = self.state.lock().unwrap().digest_of_b.clone();
        let digest = if self.name == "a" { "ff".to_owned() } else { b };
        let (node, recorded) = (self.name.to_owned(), digest.clone());
        let index = 9 + if self.name == "a" { 0 } else { self.state.lock().unwrap().entries_of_b_more };
        let kept = Vec::new();
        Ok(Response::new(VerifyReply { node, index, recorded, recomputed: digest, rows: 1, equal: true, kept }))
    }
}
