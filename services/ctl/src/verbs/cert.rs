//! `cert ca`, `cert node` and `cert operator`: certificates for production. Asks no node, and replaces no file without `--force`.

use serde::Serialize;

use crate::{
    certificates::issue::{self, Made, Order},
    cli::{CertVerb, FormatArg, NewFilesArgs},
    failure::Failure,
    print::Out,
};

#[derive(Debug, Serialize)]
struct View {
    made: Vec<MadeView>,
}

#[derive(Debug, Serialize)]
struct MadeView {
    name: String,
    certificate: String,
    key: String,
    /// RFC 3339.
    ends: String,
    hosts: Vec<String>,
}

/// `before`: the format before the verb.
pub(crate) fn run(before: FormatArg, verb: &CertVerb) -> Result<(), Failure> {
    let (made, files) = match verb {
        CertVerb::Ca(args) => (vec![issue::authority(order(&args.files, args.days), &args.name)?], &args.files),
        CertVerb::Node(args) => {
            let wanted = issue::orders(&args.nodes, &args.host)?;
            (issue::nodes(order(&args.files, args.days), &wanted)?, &args.files)
        }
        CertVerb::Operator(args) => (vec![issue::operator(order(&args.files, args.days), &args.name)?], &args.files),
    };
    let view = View { made: made.into_iter().map(view).collect() };
    Out::new(before, files.format).show(&view, |view| view.made.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn order(files: &NewFilesArgs, days: u32) -> Order<'_> {
    Order { dir: &files.dir, days, force: files.force }
}

fn view(made: Made) -> MadeView {
    MadeView {
        name: made.name,
        certificate: made.certificate.display().to_string(),
        key: made.key.display().to_string(),
        ends: made.ends,
        hosts: made.hosts,
    }
}

fn line(made: &MadeView) -> String {
    let hosts = if made.hosts.is_empty() { String::new() } else { format!(" for {}", made.hosts.join(", ")) };
    format!("made {} and {}, until {}{hosts}", made.certificate, made.key, made.ends)
}
