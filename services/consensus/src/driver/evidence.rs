//! Evidence on its way to the disk and to the peers (R12). Answers leave once the table that they need is durable. The evidence
//! that leaders tell is written twice a second, on a thread of its own, so that no answer waits for that write.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use ocs_proto::peer::PeerFrame;
use raft_log::{Disk, LogError};

use super::Driver;
use crate::{
    Machine, RaftId, Transport,
    core::{EvidenceWrite, StartMessage},
    disk::{Promises, SharedEvidence, write_evidence},
    evidence::Evidence,
    write_clock::WriteClock,
};

/// Interval of writes for which no answer waits: a crash takes so much of the leader's evidence from a follower.
const KEEP: Duration = Duration::from_millis(500);

/// Jobs of the evidence thread, in order.
#[derive(Debug)]
pub(crate) enum EvidenceJob {
    /// Make the table durable, then send the frames.
    Write(Evidence, Promises),
    /// Finish the queued jobs, and end.
    Stop,
}

/// The thread that writes the table.
pub(super) struct EvidenceThread<D: Disk> {
    pub(super) file: SharedEvidence<D>,
    pub(super) jobs: Receiver<EvidenceJob>,
    pub(super) transport: Arc<dyn Transport>,
    /// Runs while the table is written.
    pub(super) clock: Arc<WriteClock>,
}

impl<D: Disk> EvidenceThread<D> {
    /// Runs until told to stop.
    pub(super) fn run(self) -> Result<(), LogError> {
        while let Ok(EvidenceJob::Write(evidence, then)) = self.jobs.recv() {
            self.clock.during(|| write_evidence::<D>(&self.file, &evidence))?;
            then.into_iter().for_each(|(to, frame)| self.transport.send(to, frame));
        }
        Ok(())
    }
}

impl<D: Disk, M: Machine> Driver<D, M> {
    pub(super) fn send_starts(&mut self, starts: Vec<(RaftId, StartMessage)>, evidence: Option<EvidenceWrite>) {
        for (to, message) in starts {
            let frame = self.start_frame(to, message);
            self.transport.send(to, frame);
        }
        if let Some(EvidenceWrite { evidence, then }) = evidence {
            let frames = then.into_iter().map(|(to, message)| (to, self.start_frame(to, message))).collect();
            self.write_table(evidence, frames);
        }
    }

    fn start_frame(&self, to: RaftId, message: StartMessage) -> PeerFrame {
        message.into_frame(self.head(to))
    }

    /// Writes a table that has changed, at the pace of [`KEEP`].
    pub(super) fn keep_evidence(&mut self) {
        let every = (KEEP.as_micros() / self.config.tick.as_micros().max(1)) as u64;
        let Some(evidence) = self.core.evidence() else { return };
        let (version, tick) = self.tables_sent;
        let hangs = self.disks.evidence.age_ms() > 0; // tables would queue behind a hanging write
        if evidence.version() != version && self.ticks >= tick + every && !hangs {
            self.write_table(evidence.clone(), Promises::new());
        }
    }

    fn write_table(&mut self, evidence: Evidence, then: Promises) {
        self.tables_sent = (evidence.version(), self.ticks);
        let _ = self.tables.send(EvidenceJob::Write(evidence, then)); // without the thread the process is ending
    }
}
