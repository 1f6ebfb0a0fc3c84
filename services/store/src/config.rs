//! The configuration of a store: identity and memory. The caller of `Store::open` fills the configuration; this module reads no
//! file.

/// Identity and limits of a store. The limits bound its memory, independent of the size of lists (architecture, Storage).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The cluster that the state belongs to; the directory of another cluster is refused.
    pub cluster: [u8; 16],
    /// The node's name; the state of another node is refused. Empty: unknown, and the check is skipped.
    pub node: String,
    /// Blocks of tables held in memory, bytes.
    pub cache_bytes: u64,
    /// Size at which the memtable of a keyspace is flushed, bytes. Each of the two large keyspaces holds at most five times this
    /// much in memory, and each node's remembered requests a quarter of that.
    pub write_buffer_bytes: u64,
    /// Journals on disk before the engine flushes the keyspaces that hold them, bytes; also the most that opening replays. At
    /// least 64 MiB.
    pub journal_bytes_max: u64,
    /// Table files held open.
    pub open_files_max: usize,
    /// Threads that flush and compact. With several, the engine's first thread returns every compaction to the queue at once,
    /// over and over while another thread compacts: this busy loop takes a whole core.
    pub workers: usize,
}

const MIB: u64 = 1024 * 1024;

impl StoreConfig {
    /// The defaults: under 1 GiB of memory.
    pub const fn new(cluster: [u8; 16]) -> Self {
        Self {
            cluster,
            node: String::new(),
            cache_bytes: 256 * MIB,
            write_buffer_bytes: 64 * MIB,
            journal_bytes_max: 128 * MIB,
            open_files_max: 256,
            workers: 1,
        }
    }
}
