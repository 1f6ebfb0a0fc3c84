//! Callers that speak no protocol: connections of random bytes over the ports of a group, and the memory of its processes meanwhile.
//! Called by the program `scan` and by tests.

use std::{
    collections::VecDeque,
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::cluster::Cluster;

/// Callers at a time, and connections that each keeps open behind the present one.
const CALLERS: u64 = 32;
const KEPT: usize = 6;
/// Longest message, bytes.
const BYTES_MAX: usize = 2048;
/// How long a caller that looks for an answer waits.
const LOOK: Duration = Duration::from_millis(5);
const CONNECT: Duration = Duration::from_secs(10);
/// A machine has about 28,000 ports for connections to one address: a caller waits for a port so often, and so long.
const PORT_WAITS: u32 = 100;
const PORT_WAIT: Duration = Duration::from_millis(100);
/// Beginnings of messages of the protocols that the ports speak, and of some others.
const BEGINNINGS: [&[u8]; 10] = [
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"POST /records/1?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    b"POST /lists/x?req=AddRecord HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\x16\x03\x01",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"SSH-2.0-x\r\n",
    b"",
];

/// A port of a group, and its purpose.
pub type Port = (&'static str, SocketAddr);

/// The ports of a group whose node `b` speaks HTTPS to its clients: one of each kind.
///
/// # Panics
/// When an address of the group is none.
pub fn ports(cluster: &Cluster) -> Vec<Port> {
    let port = |name, node, purpose| (name, cluster.settings().address(node, purpose).parse().expect("an address"));
    vec![
        port("HTTP", "a", "http"),
        port("HTTPS", "b", "http"),
        port("control", "a", "control"),
        port("admin", "a", "admin"),
        port("peer", "a", "peer"),
    ]
}

/// Opens so many connections, sends random bytes over each, and returns how many connections a port did not take.
pub fn knock(ports: &[Port], connections: u64, seed: u64) -> u64 {
    let (next, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (next, refused) = (&next, &refused);
            scope.spawn(move || {
                let (mut rng, mut kept) = (StdRng::seed_from_u64(seed.wrapping_add(caller)), VecDeque::new());
                while next.fetch_add(1, Relaxed) < connections {
                    let (_, address) = ports[rng.random_range(0..ports.len())];
                    match connect(address) {
                        Some(stream) => kept.push_back(speak(stream, &mut rng)),
                        None => {
                            refused.fetch_add(1, Relaxed);
                        }
                    }
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                }
            });
        }
    });
    refused.into_inner()
}

/// A connection; none: the port does not take it.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    for _ in 0..PORT_WAITS {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Some(stream),
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => thread::sleep(PORT_WAIT),
            Err(_) => return None,
        }
    }
    None
}

/// Sends bytes in one or two pieces, and looks for an answer now and then. A server that hangs up is no fault.
fn speak(mut stream: TcpStream, rng: &mut StdRng) -> TcpStream {
    let mut bytes = BEGINNINGS[rng.random_range(0..BEGINNINGS.len())].to_vec();
    let random = rng.random_range(0..BYTES_MAX);
    bytes.extend((0..random).map(|_| rng.random::<u8>()));
    let (first, second) = bytes.split_at(rng.random_range(0..=bytes.len()));
    let _ = stream.write_all(first);
    if rng.random_bool(0.25) {
        let _ = stream.set_read_timeout(Some(LOOK));
        let _ = stream.read(&mut [0; 1024]);
    }
    let _ = stream.write_all(second);
    stream
}

/// The resident memory of a process, bytes; 0: the process is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
