//! One file a verb. Called by `main`.

mod apply;
mod audit;
mod backup_create;
mod backup_restore;
mod backup_s3;
mod backup_verify;
mod bench;
mod campaign_show;
mod cert;
mod certs;
mod completions;
mod config;
mod context;
mod dnc;
mod drain;
mod drill;
mod export_config;
mod force_primary;
mod group_control;
mod group_show;
mod history;
pub(crate) mod list_create;
pub(crate) mod list_delete;
mod list_export;
mod list_import;
mod list_show;
mod man;
mod mode_set;
mod node_replace;
mod pause;
mod proxy_restart;
mod record_get;
mod reload;
mod replay;
mod role;
mod sandbox;
mod scheduled_switchover;
mod settings;
mod status;
mod status_watch;
pub(crate) mod switchover;
mod tls_reload;
mod token;
mod upgrade;
mod verify;
mod wait;

use self::group_control::{LOAD, START, STOP, UNLOAD, UNLOAD_NOW};
use crate::{
    cli::{
        BackupVerb, CampaignVerb, Cli, ConfigVerb, GroupVerb, ListVerb, ModeVerb, NodeVerb, ProxyVerb, RecordVerb,
        SettingsVerb, StatusArgs, TlsVerb, TokenVerb, UpgradeVerb, Verb,
    },
    cluster::Cluster,
    contexts,
    failure::Failure,
    http_client::Trust,
    print::Out,
};

/// The verbs that ask no node: certificates of ours that cannot be read do not keep them from their work.
fn without_a_node(cli: &Cli) -> Option<Result<(), Failure>> {
    let out = |behind| Out::new(cli.format, behind);
    match &cli.verb {
        Verb::Backup(BackupVerb::Verify(args)) => Some(backup_verify::run(out(args.format), args)),
        Verb::Backup(BackupVerb::Restore(args)) => Some(backup_restore::run(out(args.format), args)),
        Verb::Cert(verb) => Some(cert::run(cli.format, verb)),
        Verb::Certs(args) => Some(certs::run(args)),
        Verb::Context(verb) => Some(context::run(cli, verb)),
        Verb::Completions(args) => Some(completions::run(args)),
        Verb::Man(args) => Some(man::run(args)),
        Verb::Config(ConfigVerb::Check(args)) => Some(config::check(out(args.format), args)),
        _ => None,
    }
}

/// Runs the verb of the command line.
pub(crate) async fn run(mut cli: Cli) -> Result<(), Failure> {
    let before = cli.format;
    if let Some(done) = without_a_node(&cli) {
        return done;
    }
    contexts::fill_in(&mut cli)?;
    for line in contexts::exposed(&mut cli) {
        eprintln!("ocsctl: {line}");
    }
    if let Verb::Sandbox(verb) = &cli.verb {
        return Box::pin(sandbox::run(before, verb)).await;
    }
    if let Verb::Backup(verb) = &cli.verb
        && let Some(done) = Box::pin(backup_s3::run(before, verb)).await
    {
        return done;
    }
    let cluster = Cluster::new(&cli.reach, matches!(cli.verb, Verb::Replay(_) | Verb::Drill(_) | Verb::Bench(_)))?;
    let out = |behind| Out::new(before, behind);
    let trust = || Trust::of(&cli.reach);
    match cli.verb {
        Verb::Status(StatusArgs { watch: Some(every), format, .. }) => {
            status_watch::run(&cluster, out(format), every).await
        }
        Verb::Status(args) => status::run(&cluster, out(args.format), args.check).await,
        Verb::Role(format) => role::run(&cluster, out(format)).await,
        Verb::Switchover(args) => switchover::run(&cluster, out(args.format), &args).await,
        Verb::Pause(format) => pause::pause(&cluster, out(format)).await,
        Verb::Resume(format) => pause::resume(&cluster, out(format)).await,
        Verb::History(format) => history::run(&cluster, out(format)).await,
        Verb::Audit(args) => audit::run(&cluster, out(args.format), &args).await,
        Verb::Reload(args) => reload::run(&cluster, out(args.format), &args).await,
        Verb::Proxy(ProxyVerb::Restart(args)) => proxy_restart::run(&cluster, out(args.format), &args).await,
        Verb::Drain(args) => drain::run(&cluster, out(args.format), &args).await,
        Verb::Node(NodeVerb::Replace(args)) => node_replace::run(&cluster, out(args.format), &args).await,
        Verb::ForcePrimary(args) => force_primary::run(&cluster, out(args.format), &args).await,
        Verb::Upgrade(UpgradeVerb::Finalize(args)) => upgrade::finalize(&cluster, out(args.format), &args).await,
        Verb::Mode(ModeVerb::Set(args)) => mode_set::run(&cluster, out(args.format), &args).await,
        Verb::Apply(args) => apply::run(&cluster, out(args.format), &args).await,
        Verb::ExportConfig(args) => export_config::run(&cluster, before, &args).await,
        Verb::Campaign(CampaignVerb::Show(args)) => campaign_show::run(&cluster, out(args.format), &args).await,
        Verb::Group(GroupVerb::Show(args)) => group_show::run(&cluster, out(args.format), &args).await,
        Verb::Group(GroupVerb::Load(args)) => group_control::run(&cluster, out(args.format), &args, LOAD).await,
        Verb::Group(GroupVerb::Start(args)) => group_control::run(&cluster, out(args.format), &args, START).await,
        Verb::Group(GroupVerb::Stop(args)) => group_control::run(&cluster, out(args.format), &args, STOP).await,
        Verb::Group(GroupVerb::Unload(args)) => group_control::run(&cluster, out(args.format), &args, UNLOAD).await,
        Verb::Group(GroupVerb::UnloadNow(args)) => {
            group_control::run(&cluster, out(args.format), &args, UNLOAD_NOW).await
        }
        Verb::Settings(SettingsVerb::Show(format)) => settings::show(&cluster, out(format)).await,
        Verb::Settings(SettingsVerb::Set(args)) => settings::set(&cluster, out(args.format), &args).await,
        Verb::List(ListVerb::Create(args)) => list_create::run(&cluster, out(args.format), &args).await,
        Verb::List(ListVerb::Import(args)) => list_import::run(&cluster, out(args.format), &args).await,
        Verb::List(ListVerb::Export(args)) => list_export::run(&cluster, before, &args).await,
        Verb::List(ListVerb::Show(args)) => list_show::run(&cluster, out(args.format), &args).await,
        Verb::List(ListVerb::Delete(args)) => list_delete::run(&cluster, out(args.format), &args).await,
        Verb::Dnc(verb) => Box::pin(dnc::run(&cluster, before, verb)).await,
        Verb::Record(RecordVerb::Get(args)) => record_get::run(&cluster, out(args.format), &args).await,
        Verb::Token(TokenVerb::Create(args)) => token::create(&cluster, out(args.format), &args).await,
        Verb::Token(TokenVerb::List(format)) => token::list(&cluster, out(format)).await,
        Verb::Token(TokenVerb::Revoke(args)) => token::revoke(&cluster, out(args.format), &args).await,
        Verb::Backup(BackupVerb::Create(args)) => Box::pin(backup_create::run(&cluster, out(args.format), &args)).await,
        Verb::Replay(args) => Box::pin(replay::run(&cluster, out(args.format), &args, trust()?)).await,
        Verb::Drill(args) => Box::pin(drill::run(&cluster, out(args.format), &args, trust()?)).await,
        Verb::Verify(format) => verify::run(&cluster, out(format)).await,
        Verb::Tls(TlsVerb::Reload(args)) => tls_reload::run(&cluster, out(args.format), &args).await,
        Verb::Context(_) | Verb::Completions(_) | Verb::Man(_) => Ok(()), // done above
        Verb::Config(verb) => Box::pin(config::run(&cluster, before, verb)).await,
        Verb::Bench(args) => Box::pin(bench::run(&cluster, out(args.format()), &args, trust()?)).await,
        Verb::Backup(_) | Verb::Cert(_) | Verb::Certs(_) | Verb::Sandbox(_) => Ok(()), // done above
        Verb::Wait(args) => wait::run(&cluster, &args).await,
    }
}
