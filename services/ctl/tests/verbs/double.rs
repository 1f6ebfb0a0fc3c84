//! Two data nodes that share one state, each with an HTTP Proxy: just enough of the control API and of HTTP to answer
//! `ocsctl`, and knobs to misbehave. Never a model of the rules of lists.

mod control;
mod declarations;
mod entries;
mod front;
mod lists;
mod tokens;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use chassis::{
    tasks::Tasks,
    tls::{ALPN_HTTP1, HttpsClients, HttpsFiles, LiveCertificate, Source},
};
use ocs_proto::{
    control::{
        AuditEntry, AuditRequest, ControlGroupRequest, DeclarationFault, DoNotCallEntry, GetRecordReply, GroupInfo,
        PendingKey, ScheduledSwitchover, UpgradeReply,
    },
    outbound::{CreateToken, Declaration, DoNotCallBatch, Imported, Refusal, Reply, Setting, reply::Body},
};
use tokio_rustls::TlsAcceptor;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

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
    /// The scheduled switchover; a second schedule is refused.
    pub(crate) scheduled: Option<ScheduledSwitchover>,
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
    /// The HTTP front ends have a certificate.
    pub(crate) https: bool,
    /// Answers about nodes and lists have a value under every key.
    pub(crate) full: bool,
    /// The answer to `ForcePrimary` is that the order would be carried out.
    pub(crate) may_be_forced: bool,
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
    /// No quorum answers: the list of tokens is a node's own knowledge.
    pub(crate) no_quorum: bool,
    /// The answer to `GetRecord`; none: there is no such record.
    pub(crate) record: Option<GetRecordReply>,
    /// The fault of the configuration of the second node.
    pub(crate) fault_of_b: Option<String>,
    /// Orders about a process, in their order.
    pub(crate) upkeep: Vec<String>,
    /// Why the second node does not take its new certificate.
    pub(crate) certificate_fault: String,
    /// `limits.hold_time_ms` of the second node; none: that of the first.
    pub(crate) hold_time_ms_of_b: Option<u64>,
    /// What another reading of its configuration would change at the second node.
    pub(crate) pending_of_b: Vec<PendingKey>,
    /// Records that previews hand out, one after the other.
    pub(crate) previews_left: u64,
    /// Looks at records over HTTP.
    pub(crate) looks: u64,
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
        let controls =
            [control::start("a", None, &state, &tasks).await, control::start("b", None, &state, &tasks).await];
        let proxies = [front::start("a", None, &state, &tasks).await, front::start("b", None, &state, &tasks).await];
        state.lock().unwrap().http_addresses = proxies.clone();
        Self { state, controls, proxies, tasks }
    }

    /// The control API of `a` once more, with mutual TLS.
    pub(crate) async fn with_tls(&self, certificates: &Path) -> String {
        let read = |name: &str| std::fs::read(certificates.join(name)).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(read("a.pem"), read("a.key")))
            .client_ca_root(Certificate::from_pem(read("ca.pem")));
        control::start("a", Some(tls), &self.state, &self.tasks).await
    }

    /// An HTTPS front end of `a` once more.
    pub(crate) async fn https(&self, certificates: &Path) -> String {
        self.https_for(certificates, HttpsClients::Anyone).await
    }

    /// As [`Double::https`], for clients with a certificate alone.
    pub(crate) async fn https_for_certificates(&self, certificates: &Path) -> String {
        self.https_for(certificates, HttpsClients::Required(certificates.join("ca.pem"))).await
    }

    async fn https_for(&self, certificates: &Path, clients: HttpsClients) -> String {
        let (certificate, key) = (certificates.join("a.pem"), certificates.join("a.key"));
        let source = Source::Https(HttpsFiles { certificate, key, clients });
        let tls = LiveCertificate::open("http", source, &[ALPN_HTTP1]).unwrap().server();
        format!("https://{}", front::start("a", Some(TlsAcceptor::from(tls)), &self.state, &self.tasks).await)
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

fn reply(body: Body) -> Option<Reply> {
    Some(Reply { body: Some(body), replayed: false, stale: false })
}

fn refused(code: &str, message: &str) -> Option<Reply> {
    let (code, message) = (code.to_owned(), message.to_owned());
    reply(Body::Refused(Refusal { code, message, attributes: Vec::new() }))
}
