//! A network of a group's own: a namespace for each node and one for the clients, joined by a bridge that drops packets on
//! demand, silently, as a broken network does. Needs the rights to make namespaces; leaves nothing behind.
//!
//! Addresses are those of loopback, routed between the namespaces: so nodes need no certificates for operators. Called by
//! `drill`, `cluster` and the drills on networks.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use rustix::process::geteuid;

use crate::{process::runs, settings::NODES};

/// Names of the namespaces besides the nodes': of the clients and of the bridge.
const CLIENT: &str = "c";
const HUB: &str = "h";
/// Prefix of our namespaces' names; the pid of their maker follows.
const TAG: &str = "ocs-drill-";

/// Packets that are dropped: all from one node to another; either may be any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// From this node; none: from any node.
    pub from: Option<&'static str>,
    /// To this node; none: to any node.
    pub to: Option<&'static str>,
}

/// Namespaces that belong together.
#[derive(Debug, Clone)]
pub struct Net {
    tag: String,
}

/// Removes the namespaces when the value is dropped.
#[derive(Debug)]
pub struct OwnNet(Net);

impl Net {
    /// Makes a network.
    ///
    /// # Errors
    /// The reason why this machine has no such network.
    pub fn make() -> Result<OwnNet, String> {
        for tool in ["ip", "nft"] {
            if !["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(tool).exists()) {
                return Err(format!("{tool} is not installed (iproute2, nftables)"));
            }
        }
        if !geteuid().is_root() {
            return Err("only root may make network namespaces".to_owned());
        }
        sweep();
        let own = OwnNet(Self::named(&format!("{TAG}{}", std::process::id())));
        own.0.build()?;
        own.0.cut(&[])?;
        Ok(own)
    }

    /// A network that another process made.
    pub fn named(tag: &str) -> Self {
        Self { tag: tag.to_owned() }
    }

    /// Its name.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    fn build(&self) -> Result<(), String> {
        ip(&["netns", "add", &self.space(HUB)])?;
        self.inside(HUB, &["link", "add", "bridge", "type", "bridge"])?;
        self.inside(HUB, &["link", "set", "dev", "bridge", "up"])?;
        for (place, who) in NODES.iter().chain([&CLIENT]).enumerate() {
            self.join(who, &format!("{}.{}", self.prefix(), place + 1))?;
        }
        Ok(())
    }

    /// A namespace of a node, joined with the hub.
    fn join(&self, who: &str, address: &str) -> Result<(), String> {
        let (space, hub) = (self.space(who), self.space(HUB));
        ip(&["netns", "add", &space])?;
        ip(&["link", "add", "net", "netns", &space, "type", "veth", "peer", "name", who, "netns", &hub])?;
        self.inside(HUB, &["link", "set", "dev", who, "master", "bridge", "up"])?;
        self.inside(who, &["link", "set", "dev", "lo", "up"])?;
        self.inside(who, &["addr", "flush", "dev", "lo"])?;
        ran(Command::new("ip").args(["netns", "exec", &space, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]))?;
        self.inside(who, &["addr", "add", &format!("{address}/24"), "dev", "net"])?;
        self.inside(who, &["link", "set", "dev", "net", "up"])
    }

    fn inside(&self, who: &str, words: &[&str]) -> Result<(), String> {
        ip(&[&["-n", &self.space(who)], words].concat())
    }

    fn space(&self, who: &str) -> String {
        format!("{}{who}", self.tag)
    }

    /// The first three bytes of every address.
    fn prefix(&self) -> String {
        let number: u32 = self.tag.trim_start_matches(TAG).parse().unwrap_or(0);
        format!("127.{}.{}", 1 + number / 250 % 250, 1 + number % 250)
    }

    /// The address of a node.
    pub(crate) fn address(&self, node: &str) -> String {
        let place = NODES.iter().position(|name| *name == node).expect("a, b or w");
        format!("{}.{}", self.prefix(), place + 1)
    }

    /// A command in a node's namespace, still without its words.
    pub(crate) fn enter(&self, node: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(node)]).arg(program);
        command
    }

    /// Drops these packets from now on, and no others, all at one moment.
    ///
    /// # Errors
    /// The message of nft.
    pub fn cut(&self, cuts: &[Cut]) -> Result<(), String> {
        let mut rules =
            String::from("table bridge cut\ndelete table bridge cut\ntable bridge cut {\n chain forward {\n");
        rules.push_str("  type filter hook forward priority 0\n");
        for Cut { from, to } in cuts {
            let from = from.map_or(String::new(), |node| format!("iifname \"{node}\" "));
            let to = to.map_or(String::new(), |node| format!("oifname \"{node}\" "));
            rules.push_str(&format!("  {from}{to}drop\n"));
        }
        rules.push_str(" }\n}\n");
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &self.space(HUB), "nft", "-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = nft.spawn().map_err(|error| error.to_string())?;
        let told = child.stdin.take().map(|mut input| input.write_all(rules.as_bytes()));
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let fine = output.status.success() && matches!(told, Some(Ok(())));
        if fine { Ok(()) } else { Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr))) }
    }
}

impl OwnNet {
    /// The network.
    pub fn net(&self) -> &Net {
        &self.0
    }

    /// Runs a program where the clients are, and waits for its end.
    ///
    /// # Errors
    /// The program does not start.
    pub fn run(&self, program: &Path, words: &[String]) -> Result<ExitStatus, String> {
        self.0.enter(CLIENT, program).args(words).status().map_err(|error| error.to_string())
    }
}

impl Drop for OwnNet {
    fn drop(&mut self) {
        for who in NODES.iter().chain([&CLIENT, &HUB]) {
            let _ = ip(&["netns", "del", &self.0.space(who)]); // the set-up may have failed before this namespace
        }
    }
}

/// Removes the namespaces of a killed drill.
fn sweep() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(TAG).and_then(|rest| rest.trim_end_matches(char::is_alphabetic).parse().ok());
        if number.is_some_and(|pid: u32| !runs(pid)) {
            let _ = ip(&["netns", "del", &name]); // another process may remove it at the same time
        }
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    ran(Command::new("ip").args(words))
}

fn ran(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said.trim())) }
}
