//! Two data nodes that share one state, each with an HTTP Proxy: just enough of the control API and of HTTP to answer
//! `ocsctl`, and knobs to misbehave. Never a model of the rules of lists.

mod entries;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{ALPN_HTTP1, HttpsClients, HttpsFiles, LiveCertificate, Source},
};
use http_body_util::{BodyExt, Full};
use hyper::{Request as HttpRequest, Response as HttpResponse, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ocs_proto::{
    control::{control_server::ControlServer, *},
    outbound::{
        ApplyDeclaration, ApplyDoNotCall, Attribute, CreateList, CreateToken, Declaration, DoNotCallBatch, Done,
        ImportBatch, ImportRow, Imported, Refusal, RejectedRow, RemoveDoNotCall, Reply, RevokeToken, SetSettings,
        Setting, Value, reply::Body, value,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

/// The state of both nodes, and their misbehaviour.
#[derive(Default)]
pub(crate) struct DoubleState {
    /// Rows by list, under the columns `record_id`, `contact_info`, `handle`.
    pub(crate) lists: BTreeMap<String, Vec<[String; 3]>>,
    /// Answers by (import id, first row).
    pub(crate) batches: BTreeMap<(Vec<u8>, u64), Imported>,
    /// (path and query, key, body) of requests in the order in which they came to be applied.
    pub(crate) applied: Vec<(String, String, String)>,
    answers: HashMap<String, String>,
    /// The primary's name; empty: none.
    pub(crate) primary: String,
    /// Columns of the last batch that was sent.
    pub(crate) columns_sent: Vec<String>,
    /// Rows of all batches that were sent.
    pub(crate) rows_sent: Vec<Vec<String>>,
    /// So many rows of each batch are added and not counted.
    pub(crate) rows_uncounted: u64,
    /// So many imports are refused with UNAVAILABLE first.
    pub(crate) imports_refused: u32,
    /// So many HTTP requests are refused with 503 first.
    pub(crate) posts_refused: u32,
    /// So many HTTP requests are applied, and their connection broken instead of an answer.
    pub(crate) posts_cut: u32,
    /// Acknowledged and forgotten: every update with this phone.
    pub(crate) forgets: Option<String>,
    /// Candidates of a switchover are all refused.
    pub(crate) no_candidate: bool,
    /// The other node has another id.
    pub(crate) replaced: bool,
    /// The other voters have not confirmed the start of the second node.
    pub(crate) unconfirmed: bool,
    /// The primary's answer to `Upgrade`; none: its release does not know it.
    pub(crate) upgrade: Option<UpgradeReply>,
    /// Automatic failover is paused.
    pub(crate) paused: bool,
    /// Where the HTTP front ends of `a` and `b` listen, as the nodes say.
    pub(crate) http_addresses: [String; 2],
    /// Warnings of the second node.
    pub(crate) warning_of_b: Option<String>,
    /// The bytes that `CreateBackup` streams.
    pub(crate) backup: Vec<u8>,
    /// The digest that the second node recomputes.
    pub(crate) digest_of_b: String,
    pub(crate) entries_of_b_more: u64,
    /// The one option of the rules.
    pub(crate) replay_window_ms: String,
    /// The answer to orders that take something back; none: they are done.
    pub(crate) too_early: Option<String>,
    /// So many removals are applied and answered with ABORTED first.
    pub(crate) removals_aborted: u32,
    /// So many records come to a list just before its deletion begins, which then shows once.
    pub(crate) records_before_deletion: u64,
    /// A list that is being deleted, and its records.
    going: Option<(String, u64)>,
    /// Do-Not-Call entries; phones are compared as given.
    pub(crate) entries: Vec<DoNotCallEntry>,
    /// Batches of entries that were applied or previewed.
    pub(crate) entries_sent: Vec<DoNotCallBatch>,
    /// The declarations, and their revision.
    pub(crate) declared: Declaration,
    pub(crate) revision: u64,
    /// Faults of the next plans.
    pub(crate) faults: Vec<DeclarationFault>,
    /// Another revision follows each plan.
    pub(crate) changes_meanwhile: bool,
    /// So many declarations are applied and answered with ABORTED first.
    pub(crate) declarations_aborted: u32,
    /// The nodes' release knows no declarations.
    pub(crate) knows_no_declarations: bool,
    /// Campaign groups.
    pub(crate) groups: Vec<GroupInfo>,
    /// Requests that controlled a group.
    pub(crate) controlled: Vec<ControlGroupRequest>,
    /// Tokens that were made and not taken back.
    pub(crate) tokens: Vec<CreateToken>,
    /// The rows of the audit.
    pub(crate) audit: Vec<AuditEntry>,
    /// The questions about the audit, and whether a quorum answers them.
    pub(crate) audit_asked: Vec<AuditRequest>,
    pub(crate) audit_unconfirmed: bool,
    /// So many orders about tokens are applied and answered with ABORTED first.
    pub(crate) tokens_aborted: u32,
    /// The answer to `GetRecord`; none: there is no such record.
    pub(crate) record: Option<GetRecordReply>,
    /// The fault of the configuration of the second node.
    pub(crate) fault_of_b: Option<String>,
    /// Orders about a process, in their order.
    pub(crate) upkeep: Vec<String>,
    /// Why the second node does not take its new certificate.
    pub(crate) certificate_fault: String,
}

impl DoubleState {
    fn replay_window(&self) -> Setting {
        Setting { key: "replay_window_ms".to_owned(), value: self.replay_window_ms.clone() }
    }
}

/// The stand-ins, stopped on drop.
pub(crate) struct Double {
    pub(crate) state: Arc<Mutex<DoubleState>>,
    controls: [String; 2],
    proxies: [String; 2],
    tasks: Tasks,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Double {
    pub(crate) async fn start() -> Self {
        let (primary, digest_of_b, replay_window_ms) = ("a".to_owned(), "ff".to_owned(), "5000".to_owned());
        let state = DoubleState { primary, digest_of_b, replay_window_ms, ..DoubleState::default() };
        let (state, tasks) = (Arc::new(Mutex::new(state)), Tasks::new());
        let controls = [control("a", None, &state, &tasks).await, control("b", None, &state, &tasks).await];
        let proxies = [proxy("a", None, &state, &tasks).await, proxy("b", None, &state, &tasks).await];
        state.lock().unwrap().http_addresses = proxies.clone();
        Self { state, controls, proxies, tasks }
    }

    /// The control API of `a` once more, with mutual TLS.
    pub(crate) async fn with_tls(&self, certificates: &Path) -> String {
        let read = |name: &str| std::fs::read(certificates.join(name)).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(read("a.pem"), read("a.key")))
            .client_ca_root(Certificate::from_pem(read("ca.pem")));
        control("a", Some(tls), &self.state, &self.tasks).await
    }

    /// An HTTPS front end of `a` once more.
    pub(crate) async fn https(&self, certificates: &Path) -> String {
        let (certificate, key) = (certificates.join("a.pem"), certificates.join("a.key"));
        let source = Source::Https(HttpsFiles { certificate, key, clients: HttpsClients::Anyone });
        let tls = LiveCertificate::open("http", source, &[ALPN_HTTP1]).unwrap().server();
        format!("https://{}", proxy("a", Some(TlsAcceptor::from(tls)), &self.state, &self.tasks).await)
    }

    pub(crate) fn endpoints(&self) -> String {
        self.controls.join(",")
    }

    pub(crate) fn proxies(&self) -> String {
        self.proxies.each_ref().map(|proxy| format!("http://{proxy}")).join(",")
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DoubleState> {
        self.state.lock().unwrap()
    }
}

struct Node {
    name: &'static str,
    state: Arc<Mutex<DoubleState>>,
}

async fn control(
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

fn reply(body: Body) -> Option<Reply> {
    Some(Reply { body: Some(body), replayed: false, stale: false })
}

fn refused(code: &str, message: &str) -> Option<Reply> {
    let (code, message) = (code.to_owned(), message.to_owned());
    reply(Body::Refused(Refusal { code, message, attributes: Vec::new() }))
}

/// The refusal of a phone that has no entry.
fn no_number(phone: &str) -> Option<String> {
    let has_digit = phone.bytes().any(|byte| byte.is_ascii_digit());
    (!has_digit).then(|| format!("The phone {phone:?} has no digit"))
}

fn id_of(token: &CreateToken) -> String {
    outbound::token_id(&token.hash[..].try_into().unwrap())
}

fn token_done(event: &str) -> Option<Reply> {
    reply(Body::Done(Done { event: event.to_owned(), attributes: Vec::new(), records: None }))
}

/// Tells of an order that was applied, or that its outcome is unknown.
fn token_order(state: &mut DoubleState) -> Result<(), Status> {
    if state.tokens_aborted > 0 {
        state.tokens_aborted -= 1;
        return Err(Status::aborted("the outcome is unknown"));
    }
    Ok(())
}

type Stream<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

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
        Ok(Response::new(tokio_stream::iter(vec![Ok(self.role())])))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        let (pid, http_proxy) = (std::process::id(), "running".to_owned());
        let asking = self.name == "b" && self.state.lock().unwrap().unconfirmed;
        let start = if asking { "asking: 1: no answer" } else { "confirmed" }.to_owned();
        let warning = self.state.lock().unwrap().warning_of_b.clone().filter(|_| self.name == "b");
        let warnings = warning.into_iter().collect();
        let role = Some(self.role());
        let http_address = self.state.lock().unwrap().http_addresses[usize::from(self.name == "b")].clone();
        Ok(Response::new(StatusReply {
            role,
            pid,
            http_proxy,
            http_address,
            start,
            warnings,
            ..StatusReply::default()
        }))
    }

    async fn force_primary(&self, _: Request<ForcePrimaryRequest>) -> Result<Response<ForcePrimaryReply>, Status> {
        let reason = "a quorum answers this node: use `ocsctl switchover`".to_owned();
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
        let messages: Vec<_> = bytes.chunks(100).map(|data| Ok(BackupBytes { data: data.to_vec() })).collect();
        Ok(Response::new(tokio_stream::iter(messages)))
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

    /// The other node is taken in at once.
    async fn give_up(&self, _: Request<GiveUpRequest>) -> Result<Response<GiveUpReply>, Status> {
        let mut state = self.state.lock().unwrap();
        (state.replaced, state.unconfirmed) = (true, false);
        Ok(Response::new(GiveUpReply { done: true, reason: String::new() }))
    }

    async fn create_list(&self, request: Request<CreateList>) -> Result<Response<CreateListReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let name = request.into_inner().name;
        if state.lists.contains_key(&name) {
            return Ok(Response::new(CreateListReply { reply: refused("CONFLICT", "There is a list of this name") }));
        }
        state.lists.insert(name, Vec::new());
        let done = Done { event: "ListCreated".to_owned(), attributes: Vec::new(), records: None };
        Ok(Response::new(CreateListReply { reply: reply(Body::Done(done)) }))
    }

    /// Takes a phone once, and none that is not a number.
    async fn import(&self, request: Request<ImportBatch>) -> Result<Response<ImportReply>, Status> {
        let mut state = self.state.lock().unwrap();
        if state.imports_refused > 0 {
            state.imports_refused -= 1;
            return Ok(Response::new(ImportReply { reply: refused("UNAVAILABLE", "There is no primary") }));
        }
        let batch = request.into_inner();
        let key = (batch.import_id.to_vec(), batch.first_row);
        if let Some(known) = state.batches.get(&key) {
            return Ok(Response::new(ImportReply { reply: reply(Body::Imported(known.clone())) }));
        }
        if !state.lists.contains_key(&batch.list) {
            return Ok(Response::new(ImportReply { reply: refused("LIST_NOT_FOUND", "There is no such list") }));
        }
        let column = batch.columns.iter().position(|column| column == "contact_info").unwrap();
        state.columns_sent.clone_from(&batch.columns);
        state.rows_sent.extend(batch.rows.iter().map(|row| row.values.clone()));
        let rows = state.lists.get_mut(&batch.list).unwrap();
        let mut imported = Imported::default();
        for (number, row) in (batch.first_row..).zip(batch.rows) {
            let phone = row.values[column].clone();
            if !phone.starts_with('+') {
                imported.rejected.push(RejectedRow { row: number, reason: "not a phone".to_owned() });
            } else if rows.iter().any(|known| known[1] == phone) {
                imported.duplicates += 1;
            } else {
                imported.added += 1;
                let record_id = rows.len() + 1;
                rows.push([record_id.to_string(), phone, (record_id + 100).to_string()]);
            }
        }
        imported.added -= state.rows_uncounted;
        state.batches.insert(key, imported.clone());
        Ok(Response::new(ImportReply { reply: reply(Body::Imported(imported)) }))
    }

    /// As an import, which is forgotten; a list that is to be created is empty.
    async fn preview_import(&self, request: Request<PreviewImportRequest>) -> Result<Response<ImportReply>, Status> {
        let PreviewImportRequest { batch, create } = request.into_inner();
        let batch = batch.unwrap();
        if create == self.state.lock().unwrap().lists.contains_key(&batch.list) {
            let reply = if create {
                refused("CONFLICT", "There is a list of this name")
            } else {
                refused("LIST_NOT_FOUND", "There is no such list")
            };
            return Ok(Response::new(ImportReply { reply }));
        }
        let column = batch.columns.iter().position(|column| column == "contact_info").unwrap();
        let bad = |(_, row): &(u64, ImportRow)| !row.values[column].starts_with('+');
        let entries = self.state.lock().unwrap().entries.clone();
        let stopped = |row: &&ImportRow| entries.iter().any(|entry| entry.form == row.values[column]);
        let (rows, no_call) = (batch.rows.len() as u64, batch.rows.iter().filter(stopped).count() as u64);
        let rejected: Vec<RejectedRow> = (batch.first_row..)
            .zip(batch.rows)
            .filter(bad)
            .map(|(row, _)| RejectedRow { row, reason: "not a phone".to_owned() })
            .collect();
        let imported = Imported { added: rows - rejected.len() as u64, rejected, no_call, ..Imported::default() };
        Ok(Response::new(ImportReply { reply: reply(Body::Imported(imported)) }))
    }

    async fn show_list(&self, _: Request<ShowListRequest>) -> Result<Response<ShowListReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let going = state.going.take().map(|(name, records)| ListInfo { name, records, ..ListInfo::default() });
        let info = |(name, rows): (&String, &Vec<_>)| ListInfo {
            name: name.clone(),
            records: rows.len() as u64,
            ..ListInfo::default()
        };
        Ok(Response::new(ShowListReply { lists: state.lists.iter().map(info).chain(going).collect() }))
    }

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        const ALL: [&str; 3] = ["record_id", "contact_info", "handle"];
        let ExportRequest { list, columns } = request.into_inner();
        let columns = if columns.is_empty() { ALL.map(str::to_owned).to_vec() } else { columns };
        let state = self.state.lock().unwrap();
        let rows = state.lists.get(&list).ok_or_else(|| Status::not_found(format!("there is no list named {list}")))?;
        let places: Vec<_> = columns.iter().filter_map(|one| ALL.iter().position(|all| all == one)).collect();
        let row = |row: &[String; 3]| ImportRow { values: places.iter().map(|place| row[*place].clone()).collect() };
        let mut messages = vec![Ok(ExportRows { columns, ..ExportRows::default() })];
        let more =
            rows.chunks(2).map(|rows| ExportRows { rows: rows.iter().map(row).collect(), ..ExportRows::default() });
        messages.extend(more.map(Ok));
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn create_token(&self, request: Request<CreateToken>) -> Result<Response<CreateTokenReply>, Status> {
        let (mut state, token) = (self.state.lock().unwrap(), request.into_inner());
        if token.lists.iter().any(|list| !state.lists.contains_key(list)) {
            return Ok(Response::new(CreateTokenReply { reply: refused("LIST_NOT_FOUND", "There is no such list") }));
        }
        if !state.tokens.contains(&token) {
            state.tokens.push(token);
        }
        token_order(&mut state)?;
        Ok(Response::new(CreateTokenReply { reply: token_done("TokenCreated") }))
    }

    async fn list_tokens(&self, _: Request<ListTokensRequest>) -> Result<Response<ListTokensReply>, Status> {
        let info = |token: &CreateToken| TokenInfo {
            id: id_of(token),
            name: token.name.clone(),
            note: token.note.clone(),
            scopes: token.scopes.clone(),
            lists: token.lists.clone(),
            tenant: token.tenant.clone(),
            expires_s: token.expires_s,
            created_us: 1_790_000_000_000_000,
            created_by: "maria".to_owned(),
        };
        let tokens = self.state.lock().unwrap().tokens.iter().map(info).collect();
        Ok(Response::new(ListTokensReply { tokens }))
    }

    async fn revoke_token(&self, request: Request<RevokeToken>) -> Result<Response<RevokeTokenReply>, Status> {
        let (mut state, id) = (self.state.lock().unwrap(), request.into_inner().id);
        if !state.tokens.iter().any(|token| id_of(token) == id) {
            return Ok(Response::new(RevokeTokenReply { reply: refused("BAD_VALUE", "There is no such token") }));
        }
        state.tokens.retain(|token| id_of(token) != id);
        token_order(&mut state)?;
        Ok(Response::new(RevokeTokenReply { reply: token_done("TokenRevoked") }))
    }

    /// Deletes a list at once, unless the list has a record and the request lacks `in_use`.
    async fn delete_list(&self, request: Request<DeleteListRequest>) -> Result<Response<DeleteListReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let asked = request.into_inner();
        let reply = match (&state.too_early, state.lists.get(&asked.list)) {
            (Some(why), _) => refused("CONFLICT", why),
            (None, None) => refused("LIST_NOT_FOUND", "There is no such list"),
            (None, Some(rows)) if !rows.is_empty() && !asked.in_use => refused("CONFLICT", "The list is in use"),
            (None, Some(_)) => {
                let rows = state.lists.remove(&asked.list).unwrap_or_default();
                let late = state.records_before_deletion;
                state.going = (late > 0).then(|| (asked.list, rows.len() as u64 + late));
                reply(Body::Done(Done { event: "ListDeletionBegun".to_owned(), attributes: Vec::new(), records: None }))
            }
        };
        Ok(Response::new(DeleteListReply { reply }))
    }

    /// A message for each row, behind one without rows.
    async fn audit(&self, request: Request<AuditRequest>) -> Result<Response<Self::AuditStream>, Status> {
        let mut state = self.state.lock().unwrap();
        state.audit_asked.push(request.into_inner());
        let first = AuditEntries { entries: Vec::new(), confirmed: !state.audit_unconfirmed };
        let more = state.audit.iter().map(|entry| AuditEntries { entries: vec![entry.clone()], confirmed: false });
        let messages: Vec<_> = std::iter::once(first).chain(more).map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn do_not_call(&self, request: Request<DoNotCallRequest>) -> Result<Response<Self::DoNotCallStream>, Status> {
        let asked = request.into_inner();
        let DoNotCallRequest { phone, entries_max, .. } = asked.clone();
        let state = self.state.lock().unwrap();
        let most = if entries_max == 0 { usize::MAX } else { usize::try_from(entries_max).unwrap() };
        let is_asked_for = |entry: &&DoNotCallEntry| entries::is_asked_for(entry, &asked);
        let found: Vec<_> = state.entries.iter().filter(is_asked_for).take(most).cloned().collect();
        if let (true, Some(why)) = (found.is_empty() && !phone.is_empty(), no_number(&phone)) {
            return Err(Status::invalid_argument(why));
        }
        let first = DoNotCallEntries { forms: vec![phone.clone()], entries: Vec::new() };
        let more = found.into_iter().map(|entry| DoNotCallEntries { forms: Vec::new(), entries: vec![entry] });
        let messages: Vec<_> = std::iter::once(first).chain(more).map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn remove_do_not_call(
        &self,
        request: Request<RemoveDoNotCall>,
    ) -> Result<Response<RemoveDoNotCallReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let asked = request.into_inner();
        if let Some(why) = &state.too_early {
            return Ok(Response::new(RemoveDoNotCallReply { reply: refused("CONFLICT", why) }));
        }
        let before = state.entries.len();
        state.entries.retain(|entry| !entries::is_taken_back(entry, &asked));
        let is_removed = state.entries.len() < before;
        if state.removals_aborted > 0 {
            state.removals_aborted -= 1;
            return Err(Status::aborted("the outcome is unknown"));
        }
        if let (false, true, Some(why)) = (is_removed, asked.customer.is_empty(), no_number(&asked.phone)) {
            return Ok(Response::new(RemoveDoNotCallReply { reply: refused("BAD_VALUE", &why) }));
        }
        let removed = Value { kind: Some(value::Kind::Int(i64::from(is_removed))) };
        let attributes = vec![Attribute { key: "removed".to_owned(), value: Some(removed) }];
        let done = Done { event: "DoNotCallRemoved".to_owned(), attributes, records: None };
        Ok(Response::new(RemoveDoNotCallReply { reply: reply(Body::Done(done)) }))
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

    /// A line for each list of the file, unless the file is the present declaration.
    async fn plan_declaration(
        &self,
        request: Request<ApplyDeclaration>,
    ) -> Result<Response<PlanDeclarationReply>, Status> {
        let mut state = self.state.lock().unwrap();
        if state.knows_no_declarations {
            return Err(Status::unimplemented(""));
        }
        let declared = request.into_inner().declaration.unwrap();
        let names = declared.lists.iter().map(|list| format!("list {}: new", list.name));
        let differences = if declared == state.declared { Vec::new() } else { names.collect() };
        let reply = PlanDeclarationReply { revision: state.revision, differences, faults: state.faults.clone() };
        state.revision += u64::from(state.changes_meanwhile);
        Ok(Response::new(reply))
    }

    async fn apply_declaration(
        &self,
        request: Request<ApplyDeclaration>,
    ) -> Result<Response<ApplyDeclarationReply>, Status> {
        let mut state = self.state.lock().unwrap();
        let asked = request.into_inner();
        if asked.revision != state.revision {
            let why = format!("The declarations have revision {}, not {}", state.revision, asked.revision);
            return Ok(Response::new(ApplyDeclarationReply { reply: refused("CONFLICT", &why) }));
        }
        state.declared = asked.declaration.unwrap();
        state.revision += 1;
        if state.declarations_aborted > 0 {
            state.declarations_aborted -= 1;
            return Err(Status::aborted("the outcome is unknown"));
        }
        let done = Done { event: "DeclarationApplied".to_owned(), attributes: Vec::new(), records: None };
        Ok(Response::new(ApplyDeclarationReply { reply: reply(Body::Done(done)) }))
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

async fn proxy(name: &'static str, tls: Option<TlsAcceptor>, state: &Arc<Mutex<DoubleState>>, tasks: &Tasks) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (state, connections) = (state.clone(), tasks.clone());
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let stopping = connections.stopping();
        while let Some(Ok((stream, _))) = stopping.run_until_cancelled(listener.accept()).await {
            let (state, stopping, tls) = (state.clone(), stopping.clone(), tls.clone());
            connections.spawn("connection", AtEnd::Quiet, async move {
                match tls {
                    None => serve(stream, name, state, stopping).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, name, state, stopping).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn serve<S>(stream: S, name: &'static str, state: Arc<Mutex<DoubleState>>, stopping: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(name, state.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = stopping.run_until_cancelled(connection).await; // a cut connection ends in an error
}

/// An error cuts the connection.
async fn answer(
    node: &'static str,
    state: Arc<Mutex<DoubleState>>,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Full<bytes::Bytes>>, std::io::Error> {
    let path = request.uri().to_string();
    let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut state = state.lock().unwrap();
    let response = HttpResponse::builder().header("x-ocs-node", node);
    if state.posts_refused > 0 {
        state.posts_refused -= 1;
        return Ok(response.status(503).body("{\"GSW_ERROR_CODE\":\"UNAVAILABLE\"}".into()).unwrap());
    }
    let replayed = state.answers.contains_key(&key);
    let text = apply(&mut state, path, key, body);
    if state.posts_cut > 0 && !replayed {
        state.posts_cut -= 1;
        return Err(std::io::ErrorKind::ConnectionReset.into());
    }
    let response = if replayed { response.header("idempotent-replayed", "true") } else { response };
    Ok(response.body(text.into()).unwrap())
}

fn apply(state: &mut DoubleState, path: String, key: String, body: String) -> String {
    if let Some(known) = state.answers.get(&key) {
        return known.clone();
    }
    if let Some(list) = path.strip_prefix("/lists/").and_then(|rest| rest.split('?').next()) {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let phone = body["GSW_PHONE"].as_str().unwrap().to_owned();
        if state.forgets.as_ref() != Some(&phone) {
            state.lists.get_mut(list).unwrap().push([String::new(), phone, String::new()]);
        }
    }
    let text = "{\"GSW_USER_EVENT\":\"Acknowledge\"}".to_owned();
    state.answers.insert(key.clone(), text.clone());
    state.applied.push((path, key, body));
    text
}
