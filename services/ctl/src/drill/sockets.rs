//! The TCP connections between processes of this machine, as /proc shows them. Never opens one. Called by `cut`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// In the `st` column of /proc/net/tcp.
const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

/// One socket of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Socket {
    local: u16,
    remote: u16,
    listens: bool,
}

/// The ports and connections to block to cut one process off from others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// Ports on which any of them listens for another.
    pub(crate) listening: BTreeSet<u16>,
    /// Connections of the process that is cut off to the others: its port and theirs.
    pub(crate) own: BTreeSet<(u16, u16)>,
}

/// The links between one process and others, and among the others.
///
/// # Errors
/// When a process's sockets may not be seen.
pub(crate) fn links(proc: &Path, one: u32, others: &[u32]) -> Result<Links, String> {
    let own = sockets(proc, one)?;
    let others = others.iter().map(|pid| sockets(proc, *pid)).collect::<Result<Vec<_>, _>>()?;
    Ok(between(&own, &others))
}

fn between(own: &[Socket], others: &[Vec<Socket>]) -> Links {
    let mut links = Links::default();
    let all = || others.iter().map(Vec::as_slice).chain([own]);
    let listening: BTreeSet<u16> = all().flatten().filter(|socket| socket.listens).map(|socket| socket.local).collect();
    for (at, side) in all().enumerate() {
        let ours = at == others.len();
        for socket in side.iter().filter(|socket| !socket.listens) {
            let other_end = |other: &&Socket| other.local == socket.remote && other.remote == socket.local;
            let linked = all().enumerate().any(|(other, side)| other != at && side.iter().any(|s| other_end(&s)));
            if linked {
                links
                    .listening
                    .extend([socket.local, socket.remote].into_iter().filter(|port| listening.contains(port)));
                links.own.extend(ours.then_some((socket.local, socket.remote)));
            }
        }
    }
    links
}

fn sockets(proc: &Path, pid: u32) -> Result<Vec<Socket>, String> {
    let dir = proc.join(pid.to_string());
    let inodes = inodes(&dir).map_err(|error| format!("the sockets of process {pid} cannot be seen: {error}"))?;
    let table = |name: &str| fs::read_to_string(dir.join("net").join(name)).unwrap_or_default();
    let (v4, v6) = (parse(&table("tcp")), parse(&table("tcp6")));
    Ok(v4.into_iter().chain(v6).filter(|(inode, _)| inodes.contains(inode)).map(|(_, socket)| socket).collect())
}

fn inodes(dir: &Path) -> std::io::Result<BTreeSet<u64>> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(dir.join("fd"))? {
        let Ok(target) = fs::read_link(entry?.path()) else { continue }; // closed in the meantime
        let name = target.to_string_lossy().into_owned();
        let number = name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// By inode; connections and listeners alone.
fn parse(table: &str) -> BTreeMap<u64, Socket> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let state = *words.get(3)?;
        let socket = Socket { local: port(words[1])?, remote: port(words[2])?, listens: state == LISTENING };
        let inode = words.get(9)?.parse().ok()?;
        (socket.listens || state == ESTABLISHED).then_some((inode, socket))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_a_socket_under_its_inode() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1C85 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0\n\
            \x20  1: 0100007F:1C85 0100007F:A001 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0\n\
            \x20  2: 0100007F:1C85 0100007F:A002 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0\n";
        let sockets = parse(table);
        assert_eq!(sockets[&11], Socket { local: 7301, remote: 0, listens: true });
        assert_eq!(sockets[&12], Socket { local: 7301, remote: 0xA001, listens: false });
        assert_eq!(sockets.len(), 2);
    }

    #[test]
    fn only_what_runs_between_the_processes_is_a_link() {
        let listener = |local| Socket { local, remote: 0, listens: true };
        let joined = |local, remote| Socket { local, remote, listens: false };
        let a = [listener(7301), listener(8080), joined(7301, 40_001), joined(40_002, 7302), joined(8080, 50_000)];
        let b = vec![listener(7302), joined(40_001, 7301), joined(7302, 40_002), joined(7302, 40_003)];
        let w = vec![listener(7303), joined(40_003, 7302)];
        let links = between(&a, &[b, w]);
        assert_eq!(links.listening, BTreeSet::from([7301, 7302]));
        assert_eq!(links.own, BTreeSet::from([(7301, 40_001), (40_002, 7302)]));
    }
}
