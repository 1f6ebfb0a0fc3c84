//! `sandbox start`, `status`, `reset` and `stop`: a throw-away pair on this machine. Asks no node of `--endpoints`.

use serde::Serialize;

use crate::{
    cli::{FormatArg, SandboxStopArgs, SandboxVerb},
    failure::Failure,
    print::Out,
    sandbox::{self, SandboxView},
};

#[derive(Debug, Serialize)]
struct Stopped {
    /// The nodes that ran.
    stopped: Vec<String>,
    /// The sandbox was removed.
    removed: bool,
    /// Foreign files that stay, and with them the directory.
    left: Vec<String>,
}

/// Runs a verb of the sandbox.
pub(crate) async fn run(before: FormatArg, verb: &SandboxVerb) -> Result<(), Failure> {
    match verb {
        SandboxVerb::Start(args) => {
            Out::new(before, args.format).show(&sandbox::start(&args.dir).await?, SandboxView::explained)
        }
        SandboxVerb::Reset(args) => {
            Out::new(before, args.format).show(&sandbox::reset(&args.dir).await?, SandboxView::explained)
        }
        SandboxVerb::Status(args) => {
            let view = sandbox::status(&args.dir)?;
            Out::new(before, args.format).show(&view, SandboxView::table)?;
            let not = || Failure::Refused("not every node runs: `ocsctl sandbox start` starts the others".to_owned());
            view.runs().then_some(()).ok_or_else(not)
        }
        SandboxVerb::Stop(args) => stop(before, args).await,
    }
}

async fn stop(before: FormatArg, args: &SandboxStopArgs) -> Result<(), Failure> {
    let (stopped, removed) = sandbox::stop(&args.dir, args.remove).await?;
    let is_removed = removed.is_some();
    let left = removed.map(|removed| removed.left).unwrap_or_default();
    Out::new(before, args.format).show(&Stopped { stopped, removed: is_removed, left }, |end| {
        let left = end.removed.then_some(end.left.as_slice());
        sandbox::stopped(&args.dir, &end.stopped, left)
    })
}
