//! The command line of `audit`: orders of operators and changes.

use clap::Args;
use list_files::moment;

use super::FormatArg;

/// `audit`
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The first moment: 2027-01-31 (midnight, UTC), 2027-01-31T10:00:00+01:00, or UTC seconds [default: all that is kept]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<i64>,
    /// The first moment that no longer counts [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<i64>,
    /// Only rows of this operator or client, by the name of the certificate or token; "": without a name
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// Only rows of this change or order, in any case: CreateToken, Switchover
    #[arg(long, value_name = "NAME")]
    pub(crate) what: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
