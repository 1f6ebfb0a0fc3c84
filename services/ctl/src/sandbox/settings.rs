//! The programs and the configuration files of a sandbox's nodes. Pure but for the look for programs. Called by `sandbox`.

use std::path::{Path, PathBuf};

use super::{
    NODES,
    addresses::Purpose,
    home::{Home, Plan},
};
use crate::{
    failure::Failure,
    programs::{HTTP_PROXY, OCSD, find},
};

/// The programs of the nodes.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) ocsd: PathBuf,
    http_proxy: PathBuf,
}

impl Programs {
    /// Beside ocsctl, else in the path.
    pub(super) fn find() -> Result<Self, Failure> {
        let program = |name: &str| {
            let missing = || Failure::Usage(format!("{name} is neither beside ocsctl nor in PATH: install it first"));
            let found = find(name).ok_or_else(missing)?;
            found.canonicalize().map_err(|error| Failure::file(&found, error))
        };
        Ok(Self { ocsd: program(OCSD)?, http_proxy: program(HTTP_PROXY)? })
    }
}

/// The configuration of a node.
pub(super) fn text(node: &str, plan: &Plan, home: &Home, programs: &Programs) -> String {
    let address = |node, purpose| plan.addresses.of(node, purpose).unwrap_or_default();
    let members: String = NODES.into_iter().map(|name| member(name, plan)).collect();
    let certificate = |name: String| quoted(&home.certificates().join(name));
    format!(
        r#"# Written by `ocsctl sandbox` at each start of this node.
[node]
name = "{node}"
data_dir = {data}
disk_reserve_bytes = 67108864

[cluster]
id = "{cluster}"
nodes = [
{members}]

[peer]
listen = "{peer}"
tls = {{ ca = {ca}, certificate = {certificate}, key = {key} }}

[control]
listen = "{control}"

[admin]
listen = "{admin}"

[http_proxy]
listen = "{http}"
program = {program}
auth = "tokens"
api = true
drain_timeout_ms = 3000
reconnect_timeout_ms = 1000

[log]
segment_bytes = 4194304

[limits]
drain_timeout_ms = 5000
"#,
        data = quoted(&home.data(node)),
        cluster = plan.cluster_id,
        peer = address(node, Purpose::Peer),
        ca = certificate("ca.pem".to_owned()),
        certificate = certificate(format!("{node}.pem")),
        key = certificate(format!("{node}.key")),
        control = address(node, Purpose::Control),
        admin = address(node, Purpose::Admin),
        http = address(node, Purpose::Http),
        program = quoted(&programs.http_proxy),
    )
}

fn member(name: &str, plan: &Plan) -> String {
    let address = |purpose| plan.addresses.of(name, purpose).unwrap_or_default();
    let role = if plan.addresses.of(name, Purpose::Http).is_some() { "data" } else { "witness" };
    let (peer, control) = (address(Purpose::Peer), address(Purpose::Control));
    format!("  {{ name = \"{name}\", role = \"{role}\", peer = \"{peer}\", control = \"{control}\" }},\n")
}

/// A path as a text of TOML: the escapes of JSON are escapes of TOML too.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::addresses::Addresses;

    #[test]
    fn a_node_has_its_own_addresses_and_files_and_the_same_group_as_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(&dir.path().join("with \"quotes\"")).unwrap();
        let plan = Plan { cluster_id: "ocs-sandbox-1".into(), addresses: Addresses::free().unwrap() };
        let programs = Programs { ocsd: "/bin/ocsd".into(), http_proxy: "/bin/ocs-http-proxy".into() };
        let texts = NODES.map(|node| text(node, &plan, &home, &programs));
        let group = |text: &str| text.split("[cluster]").nth(1).unwrap().split("[peer]").next().unwrap().to_owned();
        assert_eq!(group(&texts[0]), group(&texts[2]));
        assert!(group(&texts[0]).contains("role = \"witness\"") && group(&texts[0]).contains("id = \"ocs-sandbox-1\""));
        for (node, text) in NODES.iter().zip(&texts) {
            let control = plan.addresses.of(node, Purpose::Control).unwrap();
            assert!(text.contains(&format!("[control]\nlisten = \"{control}\"")), "{text}");
            assert!(text.contains(&format!("with \\\"quotes\\\"/data/{node}\"")), "{text}");
            assert!(text.contains(&format!("certs/{node}.key\"")), "{text}");
        }
        assert!(texts[2].contains("[http_proxy]\nlisten = \"\""), "a witness has no HTTP Proxy");
    }
}
