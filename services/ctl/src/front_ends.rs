//! The HTTP front ends of the group, by the nodes' own word, where the command line names none. Never sends a request.
//! Called by `replay`, `drill` and `bench`.

use futures::future::join_all;

use crate::{
    failure::Failure,
    group::{GroupAnswers, NodeAnswer},
    http_client::Target,
};

/// The front ends of all nodes that answer and have one.
pub(crate) fn of(group: &GroupAnswers<'_>) -> Result<Vec<Target>, Failure> {
    let urls: Vec<String> = group.seen.iter().filter_map(url).collect();
    if urls.is_empty() {
        let why = "no node says where its HTTP front end listens: name them with --proxies or OCSCTL_PROXIES";
        return Err(Failure::Unreachable(why.to_owned()));
    }
    urls.iter().map(|url| Target::parse(url, None)).collect()
}

/// Fails if a front end takes no connection.
pub(crate) async fn require_all(targets: &[Target]) -> Result<(), Failure> {
    let answers = join_all(targets.iter().map(Target::is_there)).await;
    match targets.iter().zip(answers).find(|(_, there)| !there) {
        None => Ok(()),
        Some((target, _)) => Err(Failure::Unreachable(format!(
            "no HTTP front end answers at {target}: name those of this group with --proxies or OCSCTL_PROXIES"
        ))),
    }
}

/// The URL of a node's front end, by its first port; a front end that listens on every address is reached at the host of the
/// node's control port.
fn url(seen: &NodeAnswer<'_>) -> Option<String> {
    let first = seen.status()?.http_address.split(", ").next()?;
    let (host, port) = first.rsplit_once(':')?;
    let everywhere = matches!(host, "0.0.0.0" | "[::]" | "");
    let host = if everywhere { seen.node.address.rsplit_once(':')?.0 } else { host };
    Some(format!("http://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ocs_proto::control::StatusReply;

    use super::*;
    use crate::{cli::Cli, cluster::Cluster};

    #[tokio::test]
    async fn a_front_end_that_listens_on_every_address_is_found_at_the_host_of_its_control_port() {
        let cli = Cli::parse_from(["ocsctl", "--endpoints", "h1:1,h2:2,[::1]:3,h4:4", "role"]);
        let cluster = Cluster::new(&cli.reach, false).unwrap();
        let said = ["10.0.0.1:8080, 10.0.0.1:8443", "0.0.0.0:8081", "[::]:8082", ""];
        let seen = cluster.nodes().iter().zip(said).map(|(node, address)| {
            let status = StatusReply { http_address: address.to_owned(), ..StatusReply::default() };
            NodeAnswer { node, status: Ok(Box::new(status)) }
        });
        let found = of(&GroupAnswers { seen: seen.collect() }).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.1:8080", "h2:8081", "[::1]:8082"]);
        let none = of(&GroupAnswers { seen: Vec::new() }).unwrap_err();
        assert!(none.to_string().contains("--proxies"), "{none}");
    }
}
