//! `bench`: a small bounded load through the HTTP front ends, for an impression of what the group carries. Never runs against a list
//! that has records of others unless the user agrees; a list that was made for the load is deleted at its end.

use std::time::Duration;

use crate::{
    bench::{self, BenchReport, Plan, Work, list},
    cli::{BenchArgs, BenchWhat},
    cluster::Cluster,
    failure::Failure,
    front_ends, group,
    http_client::{self, Target, Trust},
    orders,
    print::Out,
};

/// Shows the figures; fails if a request did not end in success. `trust`: of HTTPS front ends.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &BenchArgs, trust: Option<Trust>) -> Result<(), Failure> {
    if args.create_list && args.what == BenchWhat::Preview {
        let line = "previews need a campaign: name its list by --list, as customers of `ocsctl sandbox`";
        return Err(Failure::Usage(line.to_owned()));
    }
    let targets = targets(cluster, args, trust.as_ref()).await?;
    let name = match &args.list {
        Some(name) => {
            list::refuse_of_others(cluster, name, args.yes).await?;
            name.clone()
        }
        None => list::make(cluster, args.records).await?,
    };
    let loaded = load(cluster, args, &name, targets).await;
    let left = if args.list.is_none() { delete(cluster, &name).await } else { None };
    let mut report = loaded.inspect_err(|_| tell_left(&name, left.as_deref()))?;
    (report.list, report.list_left) = (name, left);
    out.show(&report, BenchReport::table)?;
    match report.errors {
        0 => Ok(()),
        errors => Err(Failure::Refused(format!("{errors} requests did not end in success"))),
    }
}

/// The front ends, as named, else as the nodes name them; each takes connections.
async fn targets(cluster: &Cluster, args: &BenchArgs, trust: Option<&Trust>) -> Result<Vec<Target>, Failure> {
    let mut targets = Target::parse_all(args.proxies.named(), trust)?;
    Target::check_all(&targets).await?;
    if targets.is_empty() {
        targets = front_ends::of(&group::survey(cluster).await, trust)?;
    }
    front_ends::require_all(&targets).await?;
    Ok(Target::bearing(targets, http_client::token(args.proxies.token_file.as_deref())?.as_ref()))
}

async fn load(cluster: &Cluster, args: &BenchArgs, name: &str, targets: Vec<Target>) -> Result<BenchReport, Failure> {
    let handles = || list::handles(cluster, name, args.records as usize);
    let work = match args.what {
        BenchWhat::Update => Work::Update(handles().await?),
        BenchWhat::Get => Work::Get(handles().await?),
        BenchWhat::Preview => Work::Preview(list::group(cluster, name, args.group.as_deref()).await?.dbid),
    };
    let (clients, lasts) = (usize::from(args.clients), Duration::from_secs(args.seconds.into()));
    eprintln!("{} of {name} by {clients} clients for {} s; Ctrl-C ends it early", args.what.word(), args.seconds);
    bench::run(Plan { targets, clients, lasts, work }).await
}

/// Why the list that was made is left; none: the deletion has begun.
async fn delete(cluster: &Cluster, name: &str) -> Option<String> {
    orders::delete_list(cluster, name, true).await.err().map(|failure| failure.to_string())
}

fn tell_left(name: &str, left: Option<&str>) {
    if let Some(why) = left {
        eprintln!("ocsctl: list {name} is left: {why}");
    }
}
