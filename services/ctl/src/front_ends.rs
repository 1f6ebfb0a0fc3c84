//! The HTTP front ends of the group, by the nodes' own word, where the command line names none. Never sends a request.
//! Called by `replay`, `drill` and `bench`.

use futures::future::join_all;

use crate::{
    failure::Failure,
    group::{GroupAnswers, NodeAnswer},
    http_client::{Target, Trust},
};

/// The use of a front end's certificate, as nodes name it.
const HTTP: &str = "http";

/// The front ends of all nodes that answer and have one. `trust`: for those with a certificate.
pub(crate) fn of(group: &GroupAnswers<'_>, trust: Option<&Trust>) -> Result<Vec<Target>, Failure> {
    let urls: Vec<String> = group.seen.iter().filter_map(url).collect();
    if urls.is_empty() {
        let why = "no node says where its HTTP front end listens: name them with --proxies or OCSCTL_PROXIES";
        return Err(Failure::Unreachable(why.to_owned()));
    }
    Target::parse_all(&urls, trust)
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
/// node's control port. The only port of a front end with a certificate speaks HTTPS; of several ports the first is taken for a port
/// without TLS, since the node does not say which of them have a certificate.
fn url(seen: &NodeAnswer<'_>) -> Option<String> {
    let status = seen.status()?;
    let mut ports = status.http_address.split(", ");
    let (host, port) = ports.next()?.rsplit_once(':')?;
    let everywhere = matches!(host, "0.0.0.0" | "[::]" | "");
    let host = if everywhere { seen.node.address.rsplit_once(':')?.0 } else { host };
    let is_https = ports.next().is_none() && status.certificates.iter().any(|one| one.usage == HTTP);
    Some(format!("{}://{host}:{port}", if is_https { "https" } else { "http" }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ocs_proto::control::{CertificateInfo, StatusReply};

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
        let found = of(&GroupAnswers { seen: seen.collect() }, None).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.1:8080", "h2:8081", "[::1]:8082"]);
        let none = of(&GroupAnswers { seen: Vec::new() }, None).unwrap_err();
        assert!(none.to_string().contains("--proxies"), "{none}");
    }

    #[tokio::test]
    async fn the_only_port_of_a_front_end_with_a_certificate_is_reached_over_https() {
        let cli = Cli::parse_from(["ocsctl", "--endpoints", "h1:1", "role"]);
        let cluster = Cluster::new(&cli.reach, false).unwrap();
        let of_address = |address: &str, usage: &str| {
            let certificate = CertificateInfo { usage: usage.to_owned(), ..CertificateInfo::default() };
            let (http_address, certificates) = (address.to_owned(), vec![certificate]);
            let status = StatusReply { http_address, certificates, ..StatusReply::default() };
            url(&NodeAnswer { node: &cluster.nodes()[0], status: Ok(Box::new(status)) })
        };
        assert_eq!(of_address("10.0.0.1:8443", "http").as_deref(), Some("https://10.0.0.1:8443"));
        assert_eq!(of_address("10.0.0.1:8080", "peer").as_deref(), Some("http://10.0.0.1:8080"));
        assert_eq!(of_address("10.0.0.1:8080, 10.0.0.1:8443", "http").as_deref(), Some("http://10.0.0.1:8080"));
    }
}
