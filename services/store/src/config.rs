//! What a store is opened with: identity and memory. Called by whoever opens one; never read from a file here.

/// Identity and limits of a store. The limits bound its memory, whatever the lists hold (architecture, Storage).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The cluster that the state belongs to; another one's directory is refused.
    pub cluster: [u8; 16],
    /// The node's name; another one's state is refused. Empty: not known, and nothing is refused.
    pub node: String,
    /// Blocks of tables held in memory, bytes.
    pub cache_bytes: u64,
    /// Changes of one keyspace held in memory before they are written as a table, bytes. At most five times this much
    /// for each of the two large keyspaces waits in memory, and a quarter of that for each node's remembered requests.
    pub write_buffer_bytes: u64,
    /// Journals on disk before the engine flushes what holds them, bytes; also what opening may have to replay. At least
    /// 64 MiB.
    pub journal_bytes_max: u64,
    /// Table files held open.
    pub open_files_max: usize,
    /// Threads that flush and compact. With more than one, the engine's first hands every compaction back to the queue at once, over
    /// and over for as long as another one compacts: a core is gone meanwhile.
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
